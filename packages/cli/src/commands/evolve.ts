/**
 * `grid evolve`: the placement policy in force, and what became of tasks since; with --replay whether another would have been
 * better. The replay runs in this process, with no connection open: the broker answers questions, and takes one order.
 */
import type { Client } from '@gryphgen/client';
import type { PastTask, PolicyDocument } from '@gryphgen/protocol';
import type { Evolution } from '@gryphgen/scheduler';
import type { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { evolutionLines, policyLines } from '../render/policy-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface EvolveFlags extends CommonFlags {
  readonly replay?: true;
  readonly dryRun?: true;
  readonly tasks?: number;
  readonly rollback?: true;
}

/** Some minutes of replaying; the oldest tell least of what is to come. */
const usualTasks = 3000;
const mostTasks = 20_000;
/** Of one answer: each takes some 500 B. */
const pageTasks = 500;

export function evolveCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Show the placement policy in force; look for a better one in a replay of what this grid did, and put it in force if it proves itself.';
  const command = gridCommand('evolve', summary, 'evolve', 'evolve --replay --dry-run', 'evolve --rollback')
    .option(
      '--replay',
      'replay the history under other policies; promote the best if it is better on what it was not chosen by',
    )
    .option('--dry-run', 'with --replay: promote nothing')
    .addOption(
      flagOf(
        '--tasks <count>',
        `with --replay: how many of the newest tasks (${usualTasks})`,
        integer(1, mostTasks),
      ),
    )
    .option('--rollback', 'put the policy in force that was before this one');
  return runs<EvolveFlags>(command, invocation, async ({ replay, dryRun, tasks, rollback, ...flags }) => {
    if (replay && rollback) throw new UsageError('--replay and --rollback cannot be given together');
    if (!replay && (dryRun || tasks !== undefined))
      throw new UsageError(`${dryRun ? '--dry-run' : '--tasks'} goes with --replay`);
    if (replay) return await replayed(terminal, flags, tasks ?? usualTasks, dryRun !== true);
    const document = await withClient(terminal, flags, async (client) => {
      const policy = await client.request('policy', {});
      return rollback ? client.request('rollBackPolicy', { from: policy.inForce.version }) : policy;
    });
    if (flags.json) printJson(terminal, document);
    else for (const line of policyLines(document, terminal)) terminal.out(`${line}\n`);
    return 0;
  });
}

async function replayed(
  terminal: Terminal,
  flags: CommonFlags,
  tasks: number,
  mayPromote: boolean,
): Promise<number> {
  const { policy, nodes, past } = await withClient(terminal, flags, async (client) => ({
    policy: await client.request('policy', {}),
    nodes: await client.request('nodes', {}),
    past: await newest(client, tasks),
  }));
  // Imported here: no other command should wait for it.
  const { evolve, historyOf } = await import('@gryphgen/scheduler');
  const workers = nodes.flatMap(({ id, report }) => (report === null ? [] : [{ id, report }]));
  const history = historyOf(past, workers);
  const found = evolve(history, policy.inForce, {
    since: policy.changes.findLast(({ kind }) => kind === 'rolledBack')?.at ?? 0,
    progress: (done, all) => tellProgress(terminal, done, all),
  });
  const promoted = mayPromote ? await promote(terminal, flags, policy, found) : undefined;
  const version = promoted?.inForce.version ?? null;
  const { inForce } = policy;
  const leftOut = past.length - history.tasks.length;
  const { evidence, ...rest } = found;
  const document = {
    policy: inForce,
    tasks: history.tasks.length,
    leftOut,
    ...rest,
    heldOut: evidence,
    promoted: version,
  };
  if (flags.json) printJson(terminal, document);
  else for (const line of evolutionLines(document, terminal)) terminal.out(`${line}\n`);
  return 0;
}

async function newest(client: Client, most: number): Promise<readonly PastTask[]> {
  const past: PastTask[] = [];
  for (let before: number | null | undefined; before !== null && past.length < most; ) {
    const page = await client.request('pastTasks', {
      limit: pageTasks,
      ...(before !== undefined && { before }),
    });
    past.push(...page.tasks);
    before = page.next;
  }
  return past.slice(0, most);
}

/** Undefined: there is nothing to promote. */
async function promote(
  terminal: Terminal,
  flags: CommonFlags,
  { inForce }: PolicyDocument,
  { promotes, candidate, evidence }: Evolution,
): Promise<PolicyDocument | undefined> {
  if (!promotes || candidate === null || evidence === null) return undefined;
  return await withClient(terminal, flags, (client) =>
    client.request('promotePolicy', { from: inForce.version, parts: candidate, evidence }),
  );
}

function tellProgress(terminal: Terminal, done: number, all: number): void {
  if (terminal.progressColumns === null) return;
  terminal.err(done === all - 1 ? '\r\u001b[K' : `\r\u001b[Kreplayed ${done} of ${all} policies`);
}
