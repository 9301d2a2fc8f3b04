/**
 * Room that is kept (claims.ts of the broker), judged by amounts: what is placed where room is kept takes nothing of what the
 * claimed task lacks, and leaves it what it has; unless it goes before that task, or has certainly ended by then.
 */
import { type BrokerEvent, type BrokerState, type Claim, endsBy, type Task } from '@gryphgen/broker';
import { formatTaskId, type Reservation, type TaskId, type WorkerId } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

const amounts = ['cpuMilli', 'memoryBytes', 'diskBytes'] as const;

interface Before {
  readonly claim: Claim;
  readonly free: Readonly<Record<(typeof amounts)[number], number>>;
  readonly tasks: ReadonlySet<TaskId>;
}

export class ClaimCheck {
  private before: readonly Before[] = [];
  private readonly coverage: Coverage;

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  stepped(state: BrokerState, event: BrokerEvent, wall: number): void {
    if (event.kind === 'schedule') for (const before of this.before) this.check(state, before, wall);
    this.before = state.claims.flatMap((claim) => {
      const worker = state.workers.get(claim.worker);
      if (worker?.view.report == null) return [];
      const { report, ledger } = worker.view;
      const free = Object.fromEntries(amounts.map((each) => [each, report[each] - ledger[each]]));
      return [{ claim, free: free as Before['free'], tasks: new Set(worker.tasks) }];
    });
    if (state.claims.length > 0) this.coverage.reached('room is kept for a task');
  }

  recovered(): void {
    this.before = [];
  }

  private check(state: BrokerState, { claim, free, tasks }: Before, wall: number): void {
    if (state.tasks.get(claim.task)?.lease != null) {
      this.coverage.reached('a task takes the room that was kept');
      return;
    }
    const worker = state.workers.get(claim.worker);
    const placed = [...(worker?.tasks ?? [])]
      .filter((id) => !tasks.has(id))
      .map((id) => state.tasks.get(id) as Task);
    const left = { ...free };
    for (const task of placed) {
      const reservation = task.lease?.reservation;
      // Who need not heed it may take what there is, before those who must as after them.
      if (reservation === undefined || task.spec.envelope.priority > claim.priority) continue;
      const end = endsBy(task, wall);
      if (Number.isFinite(end) && end <= claim.startsBy) {
        const after = { ...left };
        for (const each of amounts) after[each] -= reservation[each];
        if (takes(claim, reservation, free, after) !== undefined)
          this.coverage.reached('what ends in time runs on room that is kept');
        continue;
      }
      for (const each of amounts) left[each] -= reservation[each];
      const taken = takes(claim, reservation, free, left);
      if (taken === undefined) continue;
      const words = `${formatTaskId(task.id)} takes ${taken} on ${claim.worker}, kept for ${formatTaskId(claim.task)}`;
      throw new SimFailure('room that is kept is not given away', words);
    }
  }
}

function takes(
  { reservation: kept }: Claim & { readonly worker: WorkerId },
  taken: Reservation,
  free: Before['free'],
  left: Before['free'],
): string | undefined {
  for (const each of amounts) {
    const lacked = kept[each] > free[each];
    if (taken[each] > 0 && kept[each] > 0 && (lacked || left[each] < kept[each])) return each;
  }
  const whole = kept.devices.filter((share) => share.whole).map(({ uuid }) => uuid);
  return taken.devices.find(({ uuid }) => whole.includes(uuid))?.uuid;
}
