/**
 * Replays what a journal's folder holds, as an opening would, and from further back: from the older of its snapshots (or
 * from nothing, where all groups are still there) up to the newest, which must say the same, and on to the log's end.
 */
import { hash } from 'node:crypto';
import type { Epoch } from '@gryphgen/protocol';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { apply } from '../core/record/apply.ts';
import { type Decision, decided } from '../core/record/decisions.ts';
import { emptyState, loadSnapshot, type Snapshot as State, saveSnapshot } from '../core/record/snapshot.ts';
import type { BrokerState } from '../core/state.ts';
import { type ChainPoint, firstGroup, readGroups } from '../journal/chain-reader.ts';
import { genesis } from '../journal/digest-chain.ts';
import { snapshotsIn } from '../journal/journal-files.ts';
import { isSnapshot, readSnapshot, type Snapshot } from '../journal/snapshot-file.ts';
import { decodeDecisions, decodeSnapshot } from '../records.ts';

export interface Replay {
  readonly state: BrokerState;
  /** What the newest snapshot says otherwise, in words. */
  readonly differences: readonly string[];
  /** Of that snapshot; 0 when there is none. */
  readonly comparedAt: number;
}

const differencesShown = 10;
/** Of a part's hash: enough to tell a million parts apart. */
const keyChars = 16;

/** `db`: nothing has been read from it yet. Ends where the chain does. Throws JournalError for records it cannot read. */
export function replay(db: DatabaseSyncInstance, dir: string, epoch: Epoch): Replay {
  const snapshots = snapshotsIn(dir)
    .map((seq) => readSnapshot(dir, seq))
    .filter(isSnapshot);
  const first = firstGroup(db)?.seq ?? Number.POSITIVE_INFINITY;
  const newest = snapshots.at(-1);
  const base = first === 1 ? undefined : (snapshots.find(({ seq }) => seq >= first - 1) ?? newest);
  let { state, at } = begun(base, epoch);
  let differences: readonly string[] = [];
  if (newest !== undefined && newest.seq > at.seq) {
    at = follow(db, state, at, newest.seq);
    const saved = decodeSnapshot(newest.state);
    const should = loadSnapshot(saved, epoch);
    if (at.seq === newest.seq) differences = compare(saveSnapshot(state), saveSnapshot(should));
    // As the broker does.
    state = should;
    at = newest;
  }
  follow(db, state, at, Number.MAX_SAFE_INTEGER);
  return { state, differences, comparedAt: newest?.seq ?? 0 };
}

function begun(base: Snapshot | undefined, epoch: Epoch): { state: BrokerState; at: ChainPoint } {
  if (base === undefined) return { state: emptyState(epoch), at: { seq: 0, digest: genesis } };
  return { state: loadSnapshot(decodeSnapshot(base.state), epoch), at: base };
}

function follow(db: DatabaseSyncInstance, state: BrokerState, from: ChainPoint, to: number): ChainPoint {
  let at = from;
  for (const { seq, digest, epoch, records } of readGroups(db, from, to)) {
    for (const decision of decodeDecisions(records)) apply(state, epoch as Epoch, decision);
    at = { seq, digest };
  }
  return at;
}

/** Order is no part of what a snapshot says, and how a placement is explained is no decision. */
function compare(replayed: State, saved: State): string[] {
  const left = new Set<string>();
  for (const part of partsOf(replayed)) left.add(keyOf(part));
  const wrong: string[] = [];
  for (const part of partsOf(saved))
    if (!left.delete(keyOf(part))) wrong.push(`it has ${part.slice(0, 200)}`);
  const missing = left.size;
  if (missing > 0) wrong.push(`it lacks ${missing} parts that the commits before it make`);
  return wrong.slice(0, differencesShown);
}

function* partsOf({
  nextTask,
  audited,
  decisions,
  keptSpecs,
  tries,
  keys,
  windows,
}: State): Generator<string> {
  yield `next task: ${nextTask}`;
  yield `audited: ${audited?.join(' ') ?? 'nothing'}`;
  for (const [epoch, decision] of decisions) yield JSON.stringify([epoch, withoutNote(decision)]);
  for (const spec of keptSpecs) yield `kept envelope: ${spec}`;
  for (const each of tries) yield `tries: ${JSON.stringify(each)}`;
  for (const key of keys) yield `idempotency key: ${JSON.stringify(key)}`;
  for (const [client, floor, , tasks] of windows)
    yield `client: ${JSON.stringify([client, floor, tasks.toSorted(([a], [b]) => a - b)])}`;
}

function withoutNote(decision: Decision): readonly unknown[] {
  return decision[0] === decided.leased ? decision.slice(0, 6) : decision;
}

function keyOf(part: string): string {
  return hash('sha256', part, 'base64').slice(0, keyChars);
}
