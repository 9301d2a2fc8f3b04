/** What members are told of their broker: `grid broker rotate-key`, `grid broker announce`. */
import type { StandingDocument } from '@gryphgen/protocol';
import { Argument, type Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { endpoints } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

export function rotateKeyCommand(invocation: Invocation): Command {
  const summary =
    'Give the broker a new key, tell its members, and begin anew with it. What runs runs on; nobody joins again.';
  const command = gridCommand('rotate-key', summary, 'broker rotate-key');
  return runs<CommonFlags>(command, invocation, (flags) =>
    announce(invocation.terminal, flags, { newKey: true }),
  );
}

export function announceCommand(invocation: Invocation): Command {
  const summary = 'Tell the members where they find the broker from now on; they remember it.';
  const command = gridCommand(
    'announce',
    summary,
    'broker announce tcp://anvil:7600,tcp://grid.example.org:7600',
  ).addArgument(
    new Argument('<endpoints>', 'tried in turn, before those a member was told').argParser(endpointsOf),
  );
  return runs<CommonFlags>(command, invocation, (flags, brokers) =>
    announce(invocation.terminal, flags, { newKey: false, brokers: [...brokers] }),
  );
}

function endpointsOf(text: string): readonly string[] {
  const found = endpoints.parse(text);
  if (found !== undefined) return found;
  throw new UsageError(`found ${JSON.stringify(text.slice(0, 60))}, expected ${endpoints.expected}`);
}

async function announce(
  terminal: Terminal,
  flags: CommonFlags,
  order: { readonly newKey: boolean; readonly brokers?: string[] },
): Promise<number> {
  return withClient(terminal, flags, async (client) => {
    const { serial: after } = await client.request('announce', { newKey: false });
    const standing = await client.request('announce', { ...order, after });
    if (flags.json) printJson(terminal, standing);
    else terminal.out(`${wordsOf(standing, order.newKey)}\n`);
    return 0;
  });
}

function wordsOf({ serial, brokers }: StandingDocument, newKey: boolean): string {
  if (newKey) return `the broker has a new key (${serial}): members in session know it, others ask for it`;
  return `members find the broker at ${brokers.join(', ')} (${serial})`;
}
