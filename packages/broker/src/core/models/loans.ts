/**
 * Slots that are lent (E41): requests that keep their slot for a while once they are answered, for whoever asked to ask more there.
 * To the ledger a loan is what every request is, for as long as it has its lease; here it is known which those are, so that they
 * end when somebody else could use what they hold. All of it is an observation: no loan is durable.
 *
 * 1. All loans of a model are called back while anybody waits for it: who asks next is placed as its turn comes.
 * 2. So are those on a machine that drains, whose slots for attempts are all taken while tasks wait, or whose instance takes no more
 *    requests; and those of a principal that may submit so many a second, since what is asked under a loan is not counted.
 * 3. Who waits for its own limits (`running`, a quota), or for its next try, has nobody's loans called back; but its own where it has
 *    as many tasks placed as it may.
 */
import { asksModel, isEphemeral, type PrincipalId, type TaskId } from '@gryphgen/protocol';
import { type Context, tell } from '../context.ts';
import { quotaAgainst } from '../principals/quotas.ts';
import { limitsOf, mayRunNoMore } from '../principals/shares.ts';
import type { BrokerState, Task, Worker } from '../state.ts';

/** What is said is not acknowledged: it is said again. */
const againMs = 500;

export class Loans {
  /** Those that are placed, by model; of each, the watch time at which it was called back last. */
  private readonly placedOf = new Map<string, Map<TaskId, number>>();

  placed(task: Task): void {
    const name = lentModel(task);
    if (name === undefined) return;
    const loans = this.placedOf.get(name) ?? new Map<TaskId, number>();
    this.placedOf.set(name, loans);
    loans.set(task.id, Number.NEGATIVE_INFINITY);
  }

  unplaced(task: Task): void {
    const name = lentModel(task);
    const loans = name === undefined ? undefined : this.placedOf.get(name);
    if (name === undefined || loans === undefined) return;
    loans.delete(task.id);
    if (loans.size === 0) this.placedOf.delete(name);
  }

  byModel(): Iterable<readonly [string, Map<TaskId, number>]> {
    return this.placedOf;
  }
}

export function recallLoans(context: Context): void {
  const { state } = context;
  // Many kinds of tasks may wait: they are looked through when something says that one of them is waited for here.
  let known: Waiters | undefined;
  const waiters = (): Waiters => {
    known ??= waitersOf(state);
    return known;
  };
  for (const [name, loans] of state.models.loans.byModel()) {
    const { asking, placed } = state.models.of(name);
    for (const [id, toldAt] of loans) {
      if (state.watch - toldAt < againMs) continue;
      const task = state.tasks.get(id);
      const worker = task?.lease ? state.workers.get(task.lease.worker) : undefined;
      if (task?.lease == null || worker?.session == null) continue;
      const isAsked = asking > placed && waiters().models.has(name);
      if (!isAsked && !isWanted(state, name, task, worker, waiters)) continue;
      loans.set(id, state.watch);
      const { epoch } = task.lease;
      tell(context, worker.session, id, { kind: 'recall', task: id, attempt: task.attempt, epoch });
    }
  }
}

/** Who waits now. */
interface Waiters {
  /** Some who may have a place. */
  readonly any: boolean;
  /** For which such wait. */
  readonly models: ReadonlySet<string>;
  /** Who have as many tasks placed as they may, and more that wait. */
  readonly full: ReadonlySet<PrincipalId>;
}

function waitersOf(state: BrokerState): Waiters {
  const [models, full] = [new Set<string>(), new Set<PrincipalId>()];
  let any = false;
  for (const from of state.waiting.classes()) {
    const task = state.tasks.get(state.waiting.first(from) as TaskId) as Task;
    const { kind, model } = task.spec.envelope;
    if (mayRunNoMore(state, from.owner)) full.add(task.principal);
    else if (quotaAgainst(state, task) === undefined) {
      any = true;
      if (model !== undefined && asksModel(kind)) models.add(model);
    }
  }
  return { any, models, full };
}

/** By others than those who ask its model. */
function isWanted(
  state: BrokerState,
  name: string,
  task: Task,
  { view }: Worker,
  waiters: () => Waiters,
): boolean {
  const { ledger, models, report, draining } = view;
  return (
    draining ||
    (models.get(name)?.slots ?? 0) < (ledger.asking.get(name) ?? 0) ||
    (mayRunNoMore(state, task.principal) && waiters().full.has(task.principal)) ||
    (state.waiting.size > 0 && ledger.attempts >= (report?.slots ?? 0) && waiters().any) ||
    limitsOf(state, task.principal).submitsPerSecond !== undefined
  );
}

/** The model of which it lends a slot. */
function lentModel({ id, spec: { envelope } }: Task): string | undefined {
  const { kind, loan, model } = envelope;
  return loan === true && asksModel(kind) && isEphemeral(id) ? model : undefined;
}
