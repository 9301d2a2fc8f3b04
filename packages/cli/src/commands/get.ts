/**
 * `grid get`: what a task has left, from wherever it is kept.
 *
 * 1. What is there already is not overwritten; what comes gets its place when all of it was checked.
 * 2. What came of a transfer that was cut stays beside it, and the next `grid get` goes on with it.
 */
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fetchArtifactOf } from '@gryphgen/client';
import { failure, formatBytes, GridError, type TaskDocument, type TaskOutput } from '@gryphgen/protocol';
import { ArtifactStore, copyOut, systemClock } from '@gryphgen/runtime';
import type { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { transferBar } from '../render/transfer-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { taskIdOf } from '../task-id.ts';
import { printJson } from '../terminal.ts';

interface GetFlags extends CommonFlags {
  readonly output: string;
}

export function getCommand(invocation: Invocation): Command {
  const command = gridCommand(
    'get',
    'Get what a task has left: all its outputs, or one of them.',
    'get t42',
    'get t42 /out/result.json -o results',
  );
  command
    .argument('<id>', 'a task, such as t42')
    .argument('[path]', 'one of its outputs, as the task names it')
    .option('-o, --output <folder>', 'where to put it', '.');
  return runs<GetFlags>(command, invocation, (flags, [id, path]) =>
    get(invocation, taskIdOf(id), path, flags),
  );
}

async function get(
  { terminal }: Invocation,
  task: ReturnType<typeof taskIdOf>,
  path: string | undefined,
  flags: GetFlags,
): Promise<number> {
  const { output: folder, json = false } = flags;
  return await withClient(terminal, flags, async (client) => {
    const wanted = chosen(await client.request('show', { task }), path);
    const places = new Map(wanted.map((output) => [output, join(folder, basename(output.path))]));
    await refuseTaken([...places.values()]);
    const partial = join(folder, `.grid-get-t${task}`);
    await mkdir(folder, { recursive: true });
    const store = await ArtifactStore.open({
      folder: partial,
      budgetBytes: Number.MAX_SAFE_INTEGER,
      clock: systemClock,
      held: (digests) => new Set(digests),
    });
    for (const [output, to] of places) {
      const begunMs = performance.now();
      const moved = { bytes: 0, of: 0 };
      const bar = (): string => transferBar(moved.bytes, moved.of, performance.now() - begunMs);
      const lines = new ProgressLines(terminal, () => [`${printable(basename(to))}  ${bar()}`]);
      const onMoved = (bytes: number, of: number): void => void Object.assign(moved, { bytes, of });
      await fetchArtifactOf(client, task, output.digest, store, { onMoved }).finally(() => lines.wipe());
      await put(store, output, to);
      if (!json) terminal.out(`${printable(to)}  ${formatBytes(output.bytes)}\n`);
    }
    await rm(partial, { recursive: true, force: true });
    if (json)
      printJson(
        terminal,
        [...places].map(([{ path: from, digest, bytes }, to]) => ({ path: from, to, digest, bytes })),
      );
    return 0;
  });
}

function chosen({ id, state, outputs = [] }: TaskDocument, path: string | undefined): readonly TaskOutput[] {
  const named = outputs.filter((output) => path === undefined || output.path === path);
  if (named.length > 0) return named;
  const has = outputs.length === 0 ? 'none' : outputs.map((output) => output.path).join(', ');
  const words =
    path === undefined ? `${id} has left no outputs` : `${id} has not left ${path} (it has left: ${has})`;
  throw new GridError(failure('rejected.not-found', `${words}; it ${stateWords[state]}`));
}

const stateWords: Readonly<Record<TaskDocument['state'], string>> = {
  waiting: 'waits for its place',
  leased: 'is about to run',
  running: 'runs still',
  succeeded: 'has succeeded',
  failed: 'has failed: outputs are kept of tasks that succeed',
  cancelled: 'was cancelled',
};

async function refuseTaken(places: readonly string[]): Promise<void> {
  const twice = places.find((place, index) => places.indexOf(place) !== index);
  if (twice !== undefined)
    throw new UsageError(`two outputs would be ${twice}: get them one by one, by their paths`);
  for (const place of places)
    if ((await lstat(place).catch(() => undefined)) !== undefined)
      throw new UsageError(`${place} is there already: say another folder by -o, or remove it`);
}

async function put(store: ArtifactStore, { digest }: TaskOutput, to: string): Promise<void> {
  const manifest = await store.manifest(digest);
  if (manifest === undefined) throw new Error(`${digest} is gone again`);
  const draft = `${to}.${process.pid}.part`;
  try {
    await copyOut(manifest, (id) => store.fileOf(id), draft);
    await rename(draft, to);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}
