/**
 * Replay equivalence: the state rebuilt from snapshot and groups is the decided state of the broker that lives.
 *
 * What is left out on both sides is no decision: floors of submission windows (a client tells its floor anew with each
 * submission) with what lies below them, and when a client was last seen.
 */
import { type BrokerState, recover, type Snapshot, saveSnapshot } from '@gryphgen/broker';
import type { TaskId } from '@gryphgen/protocol';
import type { SimDisk } from './sim-disk.ts';
import { SimFailure } from './sim-failure.ts';
import { readSimJournal } from './sim-journal.ts';

export async function compareReplay(disk: SimDisk, live: BrokerState): Promise<void> {
  const { state } = await recover(readSimJournal(disk), live.timers);
  const [has, should] = [decided(state, live), decided(live, live)];
  for (const part of Object.keys(should) as (keyof typeof should)[]) {
    const [replayed, lived] = [has[part], should[part]];
    for (let index = 0; index < Math.max(replayed.length, lived.length); index += 1) {
      if (replayed[index] === lived[index]) continue;
      const words = `${part} ${index}: replayed ${replayed[index]}, live ${lived[index]}`;
      throw new SimFailure('replay makes the same state', words);
    }
  }
}

function decided(state: BrokerState, live: BrokerState) {
  const { nextTask, decisions, tries, keys, windows }: Snapshot = saveSnapshot(state);
  return {
    nextTask: [String(nextTask)],
    decisions: decisions.map((decision) => JSON.stringify(decision)),
    tries: tries.map((one) => JSON.stringify(one)),
    keys: keys.map((key) => JSON.stringify(key)),
    windows: windows
      .map(([client, , , tasks]) => `${client}: ${openOnes(live, client, tasks)}`)
      .filter((line) => !line.endsWith(': '))
      .sort(),
  };
}

function openOnes(live: BrokerState, client: string, tasks: readonly (readonly [number, TaskId])[]): string {
  const floor = live.clients.get(client as never)?.floor ?? 1;
  return tasks
    .filter(([seq]) => seq >= floor)
    .sort(([a], [b]) => a - b)
    .map(([seq, task]) => `${seq}=${task}`)
    .join(' ');
}
