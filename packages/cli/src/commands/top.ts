/** `grid top`: machines, devices and tasks, live. In a pipe it prints once; with --json one document a line. */
import type { Client } from '@gryphgen/client';
import { parseDuration } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { onInterrupt } from '../follow.ts';
import { pause } from '../pause.ts';
import { ledgerTable } from '../render/ledger-view.ts';
import { nodeJson, nodeTable } from '../render/node-view.ts';
import { taskTable } from '../render/task-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJsonLine, type Terminal } from '../terminal.ts';

const shownTasks = 20;
/** Drawn over what was there, each line to its end, then all below: a cleared screen would flicker. */
const toTop = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';

const interval = {
  expected: 'a duration from 100ms to 1h',
  parse: (text: string): number | undefined => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= 100 && ms <= 3_600_000 ? ms : undefined;
  },
};

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
    .addOption(flagOf('--interval <time>', 'time between two looks', interval).default(1000, '1s'))
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
        if (!once && !flags.json) terminal.out('\n');
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
  const { style, columns, rows } = terminal;
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
    ...ledgerTable(nodes, columns),
    '',
    ...taskTable(tasks, Date.now(), style, columns),
  ];
  if (once) terminal.out(`${lines.join('\n')}\n`);
  else terminal.out(`${toTop}${fitting(lines, rows).join(`${clearLine}\n`)}${clearLine}${clearBelow}`);
}

/** The last line of a terminal stays free: a line end there would scroll the first away. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  const room = Math.max(2, rows - 1);
  return lines.length <= room
    ? lines
    : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`];
}
