/**
 * Where tasks are placed and what they say of it, after each step (invariant 6).
 *
 * 1. Nothing waits that could run: when no placement is due, no worker is feasible for the first of any class whose
 *    principal may have another placed, but by choice: it is looked at again with each tick then. Room that is kept for another
 *    is none.
 * 2. A task that is placed has overtaken nobody: none that goes before it (by priority as it has risen, by what its principal
 *    has had, by its turn) would fit where it was put, unless it waits by choice.
 * 3. What placement has kept of a worker is what it would find there now: it hears of every change.
 * 4. Each task says why it is where it is, a waiting one in terms of each worker. Asked at each change of a task's
 *    phase, and of those that wait whenever anything has changed that they are explained by.
 */
import {
  type BrokerEvent,
  type BrokerState,
  type Claim,
  chargedAs,
  explainDocument,
  type Task,
  viewsFor,
} from '@gryphgen/broker';
import { formatTaskId, type TaskId } from '@gryphgen/protocol';
import { place, roomOf, type WorkerView, without } from '@gryphgen/scheduler';
import { OrderModel } from './order-model.ts';
import { isHeldBack } from './principal-check.ts';
import { SimFailure } from './sim-failure.ts';

export class PlacementCheck {
  /** What `settled` was found under. */
  private stamp = '';
  private readonly settled = new Set<string>();
  private readonly reports = new WeakMap<object, number>();
  private nextReport = 1;
  private attempts = new Map<TaskId, number>();
  private order = new OrderModel();
  private claims: readonly Claim[] = [];

  stepped(state: BrokerState, event: BrokerEvent, wall: number): void {
    const waiting = [...state.tasks.values()].filter(inLine);
    if (event.kind === 'schedule') {
      this.checkOrder(state, waiting, wall);
      checkKept(state);
    }
    this.order.stepped(state);
    this.claims = state.claims;
    this.noteAttempts(state);
    if (waiting.length === 0) return;
    const stamp = `${state.wake} ${JSON.stringify(state.claims)} ${state.views.map((view) => this.stampOf(view)).join(' ')}`;
    if (stamp !== this.stamp) this.settled.clear();
    this.stamp = stamp;
    const first = firstsOf(state);
    for (const task of waiting) {
      const heldBack = isHeldBack(state, task);
      const name = `${task.spec.shapeKey} ${heldBack} ${first.has(task.id) ? task.id : ''}`;
      if (this.settled.has(name)) continue;
      this.settled.add(name);
      checkWaiting(state, task, first.has(task.id), wall);
    }
  }

  recovered(state: BrokerState): void {
    this.order = new OrderModel();
    this.claims = [];
    this.noteAttempts(state);
    this.settled.clear();
  }

  private noteAttempts({ tasks }: BrokerState): void {
    this.attempts = new Map([...tasks.values()].map(({ id, attempt }) => [id, attempt]));
  }

  private checkOrder(state: BrokerState, waiting: readonly Task[], wall: number): void {
    const placed = [...state.tasks.values()].filter(
      (task) => task.lease !== null && this.attempts.get(task.id) !== task.attempt,
    );
    this.order.placed(placed);
    const claims = [...this.claims, ...state.claims];
    const first = firstsOf(state);
    const firsts = waiting.filter(({ id }) => first.has(id));
    for (const task of placed) {
      if (task.lease === null) continue;
      const { worker, reservation } = task.lease;
      const views = state.views.map((view) => (view.id === worker ? without(view, [reservation]) : view));
      const overtaken = firsts.find(
        (other) =>
          this.order.goesBefore(state, other, task, wall) &&
          !waitsByChoice(state, other) &&
          !isHeldBack(state, other, other.principal === task.principal ? reservation : null) &&
          place(chargedAs(state, other.spec.envelope), viewsFor({ views, claims }, other, wall)).kind ===
            'placed',
      );
      if (overtaken === undefined) continue;
      const words = `${formatTaskId(task.id)} was placed before ${formatTaskId(overtaken.id)}, which goes before it`;
      throw new SimFailure('nobody is overtaken', words);
    }
  }

  private stampOf({ id, connected, draining, report, ledger, beyondBytes, models }: WorkerView): string {
    const hosted = JSON.stringify([[...models], [...ledger.asking]]);
    const devices = [...ledger.devices].map(([uuid, { vramBytes, whole }]) => `${uuid}${vramBytes}${whole}`);
    const { cpuMilli, memoryBytes, diskBytes, attempts } = ledger;
    const told = report === null ? 0 : this.numberOf(report);
    return `${id} ${connected} ${draining} ${told} ${cpuMilli} ${memoryBytes} ${diskBytes} ${attempts} ${beyondBytes} ${devices.join()} ${hosted}`;
  }

  private numberOf(report: object): number {
    let number = this.reports.get(report);
    if (number === undefined) {
      number = this.nextReport;
      this.nextReport += 1;
      this.reports.set(report, number);
    }
    return number;
  }
}

function checkKept({ placer, planner, room, views }: BrokerState): void {
  const [kept, found] = [JSON.stringify(room.now()), JSON.stringify(roomOf(views))];
  if (kept !== found)
    throw new SimFailure(
      'placement hears of every change',
      `there is room for ${found}, and ${kept} is kept`,
    );
  const mistaken = placer.mistakenOf() ?? planner.mistakenOf();
  if (mistaken === undefined) return;
  throw new SimFailure(
    'placement hears of every change',
    `${mistaken.id} has changed, and what was found of it before is kept`,
  );
}

/** Of the first of a class. */
function waitsByChoice({ waiting }: BrokerState, { id }: Task): boolean {
  return waiting.classes().some((one) => one.choice !== null && waiting.first(one) === id);
}

function inLine({ phase, notBefore }: Task): boolean {
  return phase === 'waiting' && notBefore === 0;
}

function firstsOf({ waiting }: BrokerState): ReadonlySet<TaskId | undefined> {
  return new Set(waiting.classes().map((one) => waiting.first(one)));
}

function checkWaiting(state: BrokerState, task: Task, isFirst: boolean, wall: number): void {
  const { when, decision, workers } = explainDocument(state, task, wall);
  const feasible = workers.find((worker) => worker.feasible);
  const byChoice = state.choosing && decision.startsWith('waits by choice');
  const mayRun = isFirst && !byChoice && !state.wake && !isHeldBack(state, task);
  if (feasible !== undefined && mayRun) {
    const words = `${formatTaskId(task.id)} waits although ${feasible.name} could take it (${decision})`;
    throw new SimFailure('nothing waits that could run', words);
  }
  const told = new Set(workers.map(({ worker }) => worker));
  const unexplained = workers.find(({ feasible, reasons }) => !feasible && !isSaid(reasons));
  if (when === 'now' && decision !== '' && unexplained === undefined && told.size === state.views.length)
    return;
  const words = `${formatTaskId(task.id)} waits: "${decision}", of ${told.size} of ${state.views.length} workers`;
  throw new SimFailure('what waits says why', words);
}

function isSaid(reasons: readonly string[] | undefined): boolean {
  return reasons !== undefined && reasons.length > 0 && reasons.every((reason) => reason !== '');
}

/** Of a task whose phase has just changed. */
export function checkExplained(state: BrokerState, task: Task, wall: number): void {
  const { when, decision } = explainDocument(state, task, wall);
  const waits = task.phase === 'waiting';
  const backoff = !waits || task.notBefore === 0 || /^waits .* before its next try/.test(decision);
  const never = task.attempt === 0 || !decision.includes('without ever');
  if (when === (waits ? 'now' : 'placed') && decision !== '' && backoff && never) return;
  throw new SimFailure(
    'every task says why',
    `${formatTaskId(task.id)} is ${task.phase}: "${decision}" (${when})`,
  );
}
