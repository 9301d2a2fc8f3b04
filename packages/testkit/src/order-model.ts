/**
 * Whose turn it was before whose, judged after the turn: what a principal had at its beginning is at least what it has now
 * less what was placed in it, and a class has waited since what was known of it before.
 */
import { type BrokerState, foretold, heldAhead, type Task } from '@gryphgen/broker';
import { isEphemeral, limits, type PrincipalId } from '@gryphgen/protocol';

type Waiting = ReturnType<BrokerState['waiting']['classes']>[number];

/** Of millionths of the grid. */
const slack = 1e-6;

export class OrderModel {
  /** By what names a class: when one of it was last placed. */
  private served = new Map<string, number>();
  private added = new Map<PrincipalId, number>();
  private taken: readonly Task[] = [];

  stepped({ waiting }: BrokerState): void {
    this.served = new Map(waiting.classes().map((one) => [nameOf(one), one.servedAt]));
  }

  /** In one turn. */
  placed(tasks: readonly Task[]): void {
    this.added = new Map();
    this.taken = tasks;
    for (const { principal, lease } of tasks)
      this.added.set(principal, (this.added.get(principal) ?? 0) + (lease?.part ?? 0));
  }

  /** Whether one that waits still had its turn before one that was placed in this turn. */
  goesBefore(state: BrokerState, other: Task, placed: Task, wall: number): boolean {
    const [least, most] = [
      this.priorityOf(state, other, wall, true),
      this.priorityOf(state, placed, wall, false),
    ];
    if (least !== most) return least > most;
    if (other.principal === placed.principal) {
      const [first, then] = [this.firstAt(state, other), this.firstAt(state, placed)];
      return first === then ? other.turn < placed.turn : first < then;
    }
    const before = standing(state, placed.principal, wall, this.added.get(placed.principal) ?? 0);
    return standing(state, other.principal, wall, 0) + slack < before;
  }

  /** When it counts as having come, and so did those of its class before it: they stand in line. */
  private firstAt(state: BrokerState, task: Task): number {
    const name = classNameOf(task);
    const before = this.taken.filter(
      (one) => (one.turn - task.turn || one.id - task.id) < 0 && classNameOf(one) === name,
    );
    return Math.max(...[task, ...before].map((one) => cameAt(state, one)));
  }

  private priorityOf(state: BrokerState, task: Task, wall: number, now: boolean): number {
    const { spec, id, principal, submittedAt, requeuedAt } = task;
    const { priority } = spec.envelope;
    const one = state.waiting
      .classes()
      .find(
        (each) =>
          each.shapeKey === spec.shapeKey &&
          each.owner === principal &&
          each.priority === priority &&
          each.ephemeral === isEphemeral(id),
      );
    const name = classNameOf(task);
    const servedAt = now ? (one?.servedAt ?? 0) : (this.served.get(name) ?? 0);
    const waited = wall - Math.max(submittedAt, requeuedAt, servedAt);
    return priority + 10 * Math.min(21, Math.max(0, Math.floor(waited / limits.agingMs)));
  }
}

function classNameOf({ spec, principal, id }: Task): string {
  const { priority } = spec.envelope;
  return nameOf({ shapeKey: spec.shapeKey, owner: principal, priority, ephemeral: isEphemeral(id) });
}

/** Four times what it is expected to take later than it did, ten minutes at most. */
function cameAt({ learned }: BrokerState, { spec, submittedAt }: Task): number {
  const task = foretold(spec.envelope);
  if (learned.isGuessed(task)) return submittedAt;
  return submittedAt + Math.min(600_000, 4 * (learned.typicalMs(task) ?? 0));
}

function nameOf({
  shapeKey,
  owner,
  priority,
  ephemeral,
}: Pick<Waiting, 'shapeKey' | 'owner' | 'priority' | 'ephemeral'>) {
  return `${shapeKey} ${owner} ${priority} ${ephemeral}`;
}

function standing(state: BrokerState, principal: PrincipalId, wall: number, added: number): number {
  const { weight = 1 } = state.principalLimits.named.get(principal) ?? {};
  const had = state.use.standing(principal, wall) + state.ephemeralUse.standing(principal, wall);
  return (had - added * heldAhead) / weight;
}
