/** `grid top`: machines, devices and tasks, live. In a pipe it prints once; with --json one document a line. */
import type { Client } from '@gryphgen/client';
import { parseDuration } from '@gryphgen/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { onInterrupt } from '../follow.ts';
import { nodeJson, nodeTable } from '../render/node-view.ts';
import { taskTable } from '../render/task-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJsonLine, type Terminal } from '../terminal.ts';

const shownTasks = 20;
const clearScreen = '\u001b[H\u001b[2J';

interface TopFlags extends CommonFlags {
  readonly interval: number;
  readonly once?: true;
}

export function topCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'top',
    'Show machines, devices and tasks, live.',
    'top',
    'top --json --interval 5s',
  )
    .option('--interval <time>', 'time between two looks', parseInterval, 1000)
    .option('--once', 'look once');
  return runs<TopFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const given = new AbortController();
      const stopListening = onInterrupt(() => given.abort());
      const once = flags.once === true || !(terminal.isTty || flags.json);
      try {
        do {
          if (flags.json) printJsonLine(terminal, await look(client));
          else await draw(client, terminal, once);
        } while (!once && (await pause(flags.interval, given.signal)));
      } finally {
        stopListening();
      }
      return 0;
    }),
  );
}

async function look(client: Client) {
  const [status, nodes] = await Promise.all([client.request('status', {}), client.request('nodes', {})]);
  return { at: new Date().toISOString(), status, nodes: nodes.map(nodeJson) };
}

async function draw(client: Client, terminal: Terminal, once: boolean): Promise<void> {
  const { style, columns } = terminal;
  const [status, nodes, tasks] = await Promise.all([
    client.request('status', {}),
    client.request('nodes', {}),
    client.request('ps', { all: false, limit: shownTasks }),
  ]);
  const { waiting, live, connected, workers, epoch, journalStalled } = status;
  const lines = [
    `${style.bold(`${live - waiting} under way, ${waiting} waiting`)}, ${connected} of ${workers} machines, epoch ${epoch}`,
    ...(journalStalled ? [style.red('the journal cannot be written: is the disk full?')] : []),
    '',
    ...nodeTable(nodes, style, columns),
    '',
    ...taskTable(tasks, Date.now(), style, columns),
  ];
  terminal.out(`${once ? '' : clearScreen}${lines.join('\n')}\n`);
}

/** False when it was ended. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 100 || ms > 3_600_000)
    throw new InvalidArgumentError(`Found ${JSON.stringify(text)}, expected a duration from 100ms to 1h.`);
  return ms;
}
