/**
 * Replay equivalence: the state rebuilt from snapshot and groups is the decided state of the broker that lives.
 *
 * What is left out on both sides is no decision: floors of submission windows (a client tells its floor anew with each
 * submission) with what lies below them.
 */
import {
  type BrokerState,
  type Decision,
  decided,
  recover,
  type Snapshot,
  saveSnapshot,
} from '@gryphgen/broker';
import type { TaskId } from '@gryphgen/protocol';
import type { SimDisk } from './sim-disk.ts';
import { SimFailure } from './sim-failure.ts';
import { readSimJournal } from './sim-journal.ts';

export async function compareReplay(disk: SimDisk, live: BrokerState): Promise<void> {
  const { state } = await recover(readSimJournal(disk), live);
  const [has, should] = [decidedPart(state, live), decidedPart(live, live)];
  for (const part of Object.keys(should) as (keyof typeof should)[]) {
    const [replayed, lived] = [has[part], should[part]];
    for (let index = 0; index < Math.max(replayed.length, lived.length); index += 1) {
      if (replayed[index] === lived[index]) continue;
      const words = `${part} ${index}: replayed ${replayed[index]}, live ${lived[index]}`;
      throw new SimFailure('replay makes the same state', words);
    }
  }
}

function decidedPart(state: BrokerState, live: BrokerState) {
  const snapshot: Snapshot = saveSnapshot(state);
  const {
    nextTask,
    decisions,
    keptSpecs,
    tries,
    keys,
    windows,
    use = [],
    learned,
    errors,
    policies,
  } = snapshot;
  const isKnown = (id: TaskId): boolean => live.tasks.has(id) || live.ended.has(id);
  return {
    nextTask: [String(nextTask)],
    policies: [JSON.stringify({ ...policies, watch: null })],
    // Ephemeral tasks teach the living alone.
    learned: live.nextEphemeral > 1 ? [] : [JSON.stringify([learned, errors, policies?.watch])],
    decisions: decisions
      .filter(([, decision]) => isCompared(decision, live))
      .map(([epoch, decision]) => JSON.stringify([epoch, withoutNote(decision)])),
    specs: [...keptSpecs].sort(),
    tries: tries.filter(([id]) => isKnown(id)).map((one) => JSON.stringify(one)),
    keys: keys.map((key) => JSON.stringify(key)),
    use: use.map((one) => JSON.stringify(one)),
    windows: windows
      .map(([client, , , tasks]) => `${client}: ${openOnes(live, client, tasks)}`)
      .filter((line) => !line.endsWith(': '))
      .sort(),
  };
}

/** How a placement is explained is no decision: the journal keeps some of it, by a budget. */
function withoutNote(decision: Decision): readonly unknown[] {
  return decision[0] === decided.leased ? decision.toSpliced(6, 1) : decision;
}

function isCompared(decision: Decision, live: BrokerState): boolean {
  switch (decision[0]) {
    case decided.envelope: // Envelopes that only ended tasks name are in no order; those kept are compared apart.
      return false;
    case decided.workerNamed:
    case decided.drainOrdered: // Removed workers are named for the sake of ended tasks alone.
      return live.workers.has(decision[1]);
    case decided.workerRemoved:
      return false;
    case decided.accepted:
    case decided.leased:
    case decided.ended: // Ephemeral ends push durable ones out of the live memory.
      return live.tasks.has(decision[1]) || live.ended.has(decision[1]);
    default:
      return true;
  }
}

function openOnes(live: BrokerState, client: string, tasks: readonly (readonly [number, TaskId])[]): string {
  const floor = live.clients.get(client as never)?.floor ?? 1;
  return tasks
    .filter(([seq]) => seq >= floor)
    .sort(([a], [b]) => a - b)
    .map(([seq, task]) => `${seq}=${task}`)
    .join(' ');
}
