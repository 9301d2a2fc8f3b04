/**
 * `grid node drain|resume`: a machine that is to be empty, now or at a time to come, and one that is back. With --wait what is left there is told on
 * stderr until nothing is.
 */
import { randomBytes } from 'node:crypto';
import type { Client } from '@gryphgen/client';
import { failure, GridError, type NodeDocument, type RequestArgs } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, type Invocation, onNode, runs } from '../command.ts';
import { interruptedExit } from '../exit-codes.ts';
import { onInterrupt } from '../follow.ts';
import { type Moment, moment } from '../moment.ts';
import { pause } from '../pause.ts';
import { printableDocument } from '../printable.ts';
import { Exit } from '../problem.ts';
import { isDraining, nodeJson, nodeWords, runningOn } from '../render/node-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { drainDeadline, drainLength } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface DrainFlags extends CommonFlags {
  readonly at?: Moment;
  readonly for?: number;
  readonly deadline?: number;
  readonly wait?: true;
}

/** Between two looks at what is left. */
const lookMs = 1000;

export function drainCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary = 'Give a machine no new tasks; what runs there ends by itself, or at the deadline.';
  const examples = [
    'node drain forge',
    'node drain forge --deadline 10m --wait',
    'node drain forge --at 22:00 --for 2h --deadline 10m',
  ];
  const command = onNode('drain', summary, ...examples)
    .addOption(
      flagOf('--at <time>', 'not yet: at 22:00, in 2h, at 2026-11-22T22:00:00Z', moment()).conflicts('wait'),
    )
    .addOption(flagOf('--for <time>', 'then it takes tasks again by itself', drainLength))
    .addOption(
      flagOf('--deadline <time>', 'then stop what still runs there, and run it elsewhere', drainDeadline),
    )
    .option('--wait', 'until nothing runs there');
  return runs<DrainFlags>(command, invocation, ({ at, for: forMs, deadline, wait, ...flags }, [node = '']) =>
    withClient(terminal, flags, async (client) => {
      if (at !== undefined || forMs !== undefined) {
        const planned = await plan(client, { node, deadlineMs: deadline, forMs, ...at });
        tell(terminal, flags, wait ? await untilEmpty(client, terminal, planned) : planned);
        return 0;
      }
      const order = { node, draining: true, ...(deadline !== undefined && { deadlineMs: deadline }) };
      const ordered = await client.request('drain', order);
      if (deadline !== undefined && !ordered.drain?.until) {
        const why = `${ordered.name} is draining, but the broker is of an earlier version and keeps no deadline`;
        throw new GridError(failure('rejected.version', why));
      }
      tell(terminal, flags, wait ? await untilEmpty(client, terminal, ordered) : ordered);
      return 0;
    }),
  );
}

/** Named here, so that asked again it is planned once. */
async function plan(client: Client, order: Omit<RequestArgs<'planDrain'>, 'window'>): Promise<NodeDocument> {
  const window = randomBytes(6).toString('hex');
  try {
    return await client.request('planDrain', { ...order, window });
  } catch (error) {
    if (!(error instanceof GridError) || !error.message.startsWith('no operation')) throw error;
    const why = 'the broker is of an earlier version and plans no drains: drain it when it is time';
    throw new GridError(failure('rejected.version', why), error);
  }
}

export function resumeCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Give a drained machine tasks again, lift its deadline, and cancel the drains that are planned for it.';
  return runs<CommonFlags>(onNode('resume', summary, 'node resume forge'), invocation, (flags, [node = '']) =>
    withClient(terminal, flags, async (client) => {
      tell(terminal, flags, await client.request('drain', { node, draining: false }));
      return 0;
    }),
  );
}

function tell(terminal: Terminal, flags: CommonFlags, node: NodeDocument): void {
  if (flags.json) printJson(terminal, nodeJson(node));
  else terminal.out(`${words(node, terminal)}\n`);
}

function words(document: NodeDocument, terminal: Terminal): string {
  const node = printableDocument(document);
  return `${node.name} is ${nodeWords(node, terminal.style)}`;
}

/** Throws Exit 130 at Ctrl-C, and a failure when the machine is resumed or removed meanwhile. */
async function untilEmpty(client: Client, terminal: Terminal, ordered: NodeDocument): Promise<NodeDocument> {
  const given = new AbortController();
  const stopListening = onInterrupt(() => given.abort());
  let said = '';
  try {
    for (let node = ordered; ; node = await lookAt(client, ordered)) {
      if (!isDraining(node)) throw noLonger(ordered, 'was resumed');
      if (runningOn(node) === 0) return node;
      const now = `${words(node, terminal)}: ${left(node)}`;
      if (now !== said) terminal.err(`${now}\n`);
      said = now;
      if (!(await pause(lookMs, given.signal))) throw new Exit(interruptedExit);
    }
  } finally {
    stopListening();
  }
}

async function lookAt(client: Client, { id, ...ordered }: NodeDocument): Promise<NodeDocument> {
  const found = (await client.request('nodes', {})).find((node) => node.id === id);
  if (found === undefined) throw noLonger(ordered, 'was removed');
  return found;
}

function noLonger({ name }: Pick<NodeDocument, 'name'>, why: string): GridError {
  return new GridError(failure('rejected.state', `${name} ${why} while it drained`));
}

function left({ tasks, ghosts }: NodeDocument): string {
  return [...tasks, ...(ghosts === 0 ? [] : [`${ghosts} given up and not ended`])].join(', ');
}
