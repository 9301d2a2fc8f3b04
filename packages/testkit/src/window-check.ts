/**
 * Planned drains (E17), by the simulation's own time.
 *
 * 1. Who was told that one is planned can rely on it: it begins in its time whatever crashes, and until it is over or cancelled
 *    it is known.
 * 2. Begun, it lasts as long as was ordered, and ends by itself.
 * 3. Nothing is placed that is expected to run into it.
 */
import {
  type BrokerEvent,
  type BrokerState,
  type DrainWindow,
  endsBy,
  type Task,
  type Worker,
} from '@gryphgen/broker';
import { formatTaskId, type Request, type TaskId, type WorkerId } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

/** Clocks of broker and simulation differ by their drift; what is due is looked at with each tick. */
const slack = 5e-3;
const ticksMs = 1100;

interface Begun {
  readonly at: number;
  readonly ms: number | null;
}

export class WindowCheck {
  private readonly orders = new Map<string, string>();
  /** By worker and window: told as planned, and not over. */
  private readonly told = new Set<string>();
  private known = new Set<string>();
  private begun = new Map<string, Begun>();
  /** Begun in an earlier epoch: what is left of them goes by a wall clock that may have jumped. */
  private carried = new Set<string>();
  private attempts = new Map<TaskId, number>();
  private readonly coverage: Coverage;

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  stepped(state: BrokerState, event: BrokerEvent, wall: number, now: number): void {
    if (event.kind === 'message' && event.message.kind === 'request')
      this.noteOrder(state, event.session, event.message);
    const before = this.known;
    this.known = new Set();
    for (const worker of state.workers.values())
      for (const window of worker.windows) this.look(worker, window, event, wall, now);
    for (const name of before) if (!this.known.has(name)) this.over(name, event, now);
    if (event.kind === 'schedule') this.checkPlaced(state, wall);
    this.attempts = new Map([...state.tasks.values()].map(({ id, attempt }) => [id, attempt]));
  }

  /** What was answered survives. */
  recovered(state: BrokerState): void {
    this.orders.clear();
    this.begun = new Map();
    this.known = new Set();
    this.carried = new Set();
    for (const { id, windows } of state.workers.values()) {
      for (const window of windows) {
        this.known.add(nameOf(id, window.id));
        if (window.begun) this.carried.add(nameOf(id, window.id));
      }
    }
    for (const name of this.told) {
      if (this.known.has(name) || !state.workers.has(name.split(' ')[0] as WorkerId)) continue;
      throw new SimFailure('what is planned survives', name);
    }
    this.attempts = new Map([...state.tasks.values()].map(({ id, attempt }) => [id, attempt]));
  }

  private noteOrder(state: BrokerState, session: string, { id, op, args }: Request): void {
    if (op !== 'planDrain') return;
    const { node, window } = args as { node: string; window: string };
    const worker = [...state.workers.values()].find((one) => one.id === node || one.view.name === node);
    const isKnown = worker?.windows.some((one) => one.id === window);
    if (worker !== undefined && isKnown) this.orders.set(`${session} ${id}`, nameOf(worker.id, window));
  }

  /** A reply without a failure has left. */
  answered(session: string, request: number): void {
    const name = this.orders.get(`${session} ${request}`);
    if (name === undefined || !this.orders.delete(`${session} ${request}`) || !this.known.has(name)) return;
    this.told.add(name);
    this.coverage.reached('a drain is planned');
  }

  private look(worker: Worker, window: DrainWindow, event: BrokerEvent, wall: number, now: number): void {
    const name = nameOf(worker.id, window.id);
    this.known.add(name);
    if (!window.begun) {
      if (event.kind === 'tick' && window.at <= wall)
        throw new SimFailure('a planned drain begins in its time', name);
      return;
    }
    if (!worker.view.draining) throw new SimFailure('a planned drain drains', name);
    const since = this.begun.get(name);
    if (since === undefined) {
      this.begun.set(name, { at: now, ms: window.ms });
      this.coverage.reached('a planned drain begins');
    } else if (
      since.ms !== null &&
      event.kind === 'tick' &&
      now - since.at > since.ms * (1 + slack) + ticksMs
    )
      throw new SimFailure(
        'a planned drain ends by itself',
        `${name}, ${since.ms} ms long, after ${now - since.at} ms`,
      );
  }

  /** It is no more: by an order, or by itself in its time. */
  private over(name: string, event: BrokerEvent, now: number): void {
    const since = this.begun.get(name);
    this.begun.delete(name);
    this.told.delete(name);
    if (event.kind !== 'tick') return;
    this.coverage.reached('a planned drain is over');
    if (
      since === undefined ||
      since.ms === null ||
      this.carried.has(name) ||
      now - since.at >= since.ms * (1 - slack) - ticksMs
    )
      return;
    throw new SimFailure('a planned drain lasts', `${name}, ${since.ms} ms long, after ${now - since.at} ms`);
  }

  private checkPlaced(state: BrokerState, wall: number): void {
    for (const task of state.tasks.values()) {
      if (task.lease === null || this.attempts.get(task.id) === task.attempt) continue;
      const next = state.workers.get(task.lease.worker)?.windows.find(({ begun }) => !begun);
      const end = next && expectedEnd(state, task, wall);
      if (next === undefined || end === undefined || end <= next.at + ticksMs) continue;
      const words = `${formatTaskId(task.id)} is expected to end ${Math.round(end - next.at)} ms too late`;
      throw new SimFailure('nothing is begun that runs into a planned drain', words);
    }
  }
}

/** Wall ms; of a class of which enough is known that is another check's. */
function expectedEnd({ learned }: BrokerState, task: Task, wall: number): number | undefined {
  const { kind, image, taskClass = image === undefined ? kind : `${kind} ${image}` } = task.spec.envelope;
  const typical = learned.knownMs({ shape: task.spec.envelope, taskClass, inputBytes: 0 });
  const end = endsBy({ ...task, lease: null }, wall);
  return typical === undefined && Number.isFinite(end) ? end : undefined;
}

function nameOf(worker: WorkerId, window: string): string {
  return `${worker} ${window}`;
}
