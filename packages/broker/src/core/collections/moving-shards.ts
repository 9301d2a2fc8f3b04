/**
 * An admin's order that a copy is the owner's from now on (E43).
 *
 * 1. What was leased to the former owner is lost before: nothing is applied under two epochs.
 * 2. No change that was acknowledged is lost by it, unless the order says so.
 * 3. The order names the epoch that it ends: asked again, nothing is done twice.
 */
import { type Failure, failure, type RequestArgs } from '@gryphgen/protocol';
import { type Context, refuse, reply } from '../context.ts';
import { attemptFailed } from '../outcomes.ts';
import type { BrokerState, Session } from '../state.ts';
import { findWorker } from '../workers/node-orders.ts';
import type { Collection, Shard, ShardCopy } from './collection-book.ts';
import { documentOf } from './collection-words.ts';
import { heirOf, lacks, promoted, setShard } from './shard-copies.ts';

export function moveShard(
  context: Context,
  session: Session,
  id: number,
  { name, index, epoch, to, anyway = false }: RequestArgs<'moveShard'>,
): void {
  const { state } = context;
  const known = state.collections.known.get(name);
  const shard = known?.shards[index];
  const which = `shard ${index + 1} of ${name}`;
  if (known === undefined || shard === undefined) {
    refuse(context, session.id, id, failure('rejected.not-found', `there is no ${which}: "grid rag ls"`));
    return;
  }
  const target = to === undefined ? heirOf(state, shard)?.worker : findWorker(state, to)?.id;
  const isDue = shard.epoch === epoch && (target === undefined || target !== shard.worker);
  if (isDue) {
    const copy = shard.copies.find((one) => one.worker === target);
    const why = notPromoted(state, which, shard, copy, anyway);
    if (why !== undefined || copy === undefined) {
      refuse(context, session.id, id, why ?? failure('rejected.state', `there is no copy of ${which}`));
      return;
    }
    loseLeases(context, name, index, shard);
    setShard(context, known, index, promoted(state, shard, copy));
  }
  reply(context, session.id, id, documentOf(state, state.collections.known.get(name) as Collection));
}

/** Asked again in a stall: nothing would change. */
export function isMoved(state: BrokerState, { name, index, epoch }: RequestArgs<'moveShard'>): boolean {
  return (state.collections.known.get(name)?.shards[index]?.epoch ?? 0) > epoch;
}

function notPromoted(
  state: BrokerState,
  which: string,
  shard: Shard,
  copy: ShardCopy | undefined,
  anyway: boolean,
): Failure | undefined {
  if (copy === undefined || copy.version === 0) {
    const names = shard.copies
      .filter(({ version }) => version > 0)
      .map(({ worker }) => state.workers.get(worker)?.view.name ?? worker);
    const there = names.length === 0 ? 'nobody has one: "grid rag replicas" begins some' : names.join(', ');
    return failure(
      'rejected.state',
      `no whole copy of ${which} is there, expected a machine that has one (${there})`,
    );
  }
  if (anyway || !lacks(shard, copy)) return undefined;
  const has = copy.epoch === shard.epoch ? `${copy.version}` : `${copy.version} of owner epoch ${copy.epoch}`;
  return failure(
    'rejected.state',
    `the copy of ${which} is of change ${has}, and its owner told of ${shard.version}: what is in between would be lost; wait until it has caught up, or say --anyway`,
  );
}

/** What its owner is changing is changed under the next one's epoch, or not at all. */
function loseLeases(context: Context, name: string, index: number, { worker }: Shard): void {
  const { state } = context;
  for (const id of [...((worker === '' ? undefined : state.workers.get(worker)?.tasks) ?? [])]) {
    const task = state.tasks.get(id);
    const asked = task?.spec.envelope.shard;
    if (task === undefined || asked?.collection !== name || asked.index !== index) continue;
    if (task.spec.envelope.kind !== 'ingest' || asked.at === 'copy') continue;
    attemptFailed(context, task, failure('lost.worker', `${name} is another worker's from now on`));
  }
}
