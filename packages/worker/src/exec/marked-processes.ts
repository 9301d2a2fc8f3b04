/**
 * Ends the processes of a container that carry a mark in their environment: those of one command, or of all.
 *
 * 1. They are looked for and signalled from inside, by a shell of the container's, as the user they run as: the engine
 *    signals a container's first process alone, and a worker's user may signal none of them.
 * 2. First they are told that their terminal is gone (HUP), after `graceMs` they are killed, until none is found.
 * 3. An image without /bin/sh cannot do this; what runs there reads the end of its input, and ends with its task.
 */
import { pause } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import { type CallTools, labelled, within } from '../executors/docker-engine.ts';

const variable = 'GRID_EXEC';
const graceMs = 2000;
const lookMs = 50;
/** A search reads the environment of each process of the container. */
const searchMs = 20_000;
/** One search misses what was forked behind its back; what forks this often is not ended by searching. */
const maxSearches = 20;

/** Built-ins only, so that any shell does. $1: the mark; $2: the signal. Prints one line for each process found. */
const script = `
for folder in /proc/[0-9]*; do
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *"$1"*)
      echo found
      kill -s "$2" "\${folder#/proc/}"
      break
    esac
  done <"$folder/environ"
done 2>/dev/null
`;

/** To be set for a command, so that it is found again. */
export function markOf(id: string): Readonly<Record<string, string>> {
  return { [variable]: valueFor(id) };
}

/** No value that a task would give the variable. */
const valueFor = (id: string): string => `exec:${id}`;

/** `id` null: of every command. `isOver` tells whether the command itself has ended. Never rejects. */
export async function endMarked(
  container: Container,
  id: string | null,
  user: string | undefined,
  isOver: () => Promise<boolean>,
  tools: CallTools,
): Promise<void> {
  const mark = `${variable}=${valueFor(id ?? '')}`;
  try {
    if ((await search(container, mark, 'HUP', user, tools)) === 0) return;
    for (let waitedMs = 0; waitedMs < graceMs && !(await isOver()); waitedMs += lookMs)
      await pause(tools.alarms, lookMs, tools.signal);
    for (let searches = 0; searches < maxSearches; searches += 1)
      if ((await search(container, mark, 'KILL', user, tools)) === 0) return;
  } catch {
    // The container has ended, and with it all that ran in it; or there is no engine to ask.
  }
}

/** How many were found. */
async function search(
  container: Container,
  mark: string,
  signal: 'HUP' | 'KILL',
  user: string | undefined,
  tools: CallTools,
): Promise<number> {
  return within(searchMs, tools, async (abortSignal) => {
    const exec = await container.exec({
      AttachStdout: true,
      Cmd: ['/bin/sh', '-c', script, 'sh', mark, signal],
      ...(user === undefined ? {} : { User: user }),
      abortSignal,
    });
    const stream = (await exec.start({ abortSignal })) as unknown as AsyncIterable<Uint8Array>;
    let text = '';
    for await (const { bytes } of labelled(stream)) text += Buffer.from(bytes).toString();
    return text.split('found\n').length - 1;
  });
}
