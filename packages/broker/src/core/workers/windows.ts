/**
 * Planned drains (E17): from a time on, for a while, a worker drains as if it had been ordered then, and takes tasks again by
 * itself at the end.
 *
 * 1. A window begins at its time by the wall clock, or once the time until then has passed by the monotonic one, whichever is
 *    first: no clock that is set loses it. Begun, it lasts by the monotonic clock; from one epoch to the next the wall
 *    clock counts, and never more is left than was ordered. One that passed while no broker ran has passed.
 * 2. Until then nothing is begun there that is expected to run into it: by what its class was seen to take, else by its timeout.
 *    What nobody knows the length of begins, and so does a service, which has no end.
 */
import type { Envelope, Failure, RequestArgs, WorkerId } from '@gryphgen/protocol';
import { failure, formatDuration, formatTime, limits } from '@gryphgen/protocol';
import { type Shut, seatOf } from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { decide } from '../context.ts';
import type { Now } from '../events.ts';
import { foretold } from '../learning.ts';
import { longestMs } from '../placing/run-bounds.ts';
import { lookAgain } from '../record/apply-workers.ts';
import { decided, type WireWindow } from '../record/decisions.ts';
import type { BrokerState, Worker } from '../state.ts';
import type { DrainWindow } from './drain-window.ts';

/** A worker that is to be drained: `inMs` as of the last tick. */
export interface Upcoming {
  readonly worker: WorkerId;
  /** Wall ms. */
  readonly at: number;
  readonly inMs: number;
}

type PlanOrder = RequestArgs<'planDrain'>;

/** Between clocks that differ, and while an order is on its way. */
const latenessMs = 60_000;

/** Why the order cannot be carried out; undefined: it was, or had been. */
export function planDrain(context: Context, worker: Worker, order: PlanOrder): Failure | undefined {
  const { window: id, forMs: ms = null, deadlineMs = null } = order;
  const { wall } = context.now;
  if (worker.windows.some((window) => window.id === id)) return undefined;
  const at = order.at ?? wall + (order.inMs ?? 0);
  const why = refusalOf(worker, at, wall);
  if (why !== undefined) return why;
  setWindows(context, worker, [...worker.windows.map(wireOf), [id, at, ms, deadlineMs, false]]);
  followWindows(context, worker);
  noteUpcoming(context);
  return undefined;
}

function refusalOf({ windows, view }: Worker, at: number, wall: number): Failure | undefined {
  if (windows.length >= limits.windowsEach) {
    const words = `${view.name} has ${windows.length} planned drains, its limit: "grid node resume" cancels them`;
    return failure('rejected.limit', words);
  }
  const [time, now] = [at, wall].map(formatTime);
  if (at < wall - latenessMs)
    return failure('rejected.invalid', `a drain at ${time} is past: it is ${now} where the broker is`);
  if (at <= wall + limits.windowAheadMs) return undefined;
  const most = formatDuration(limits.windowAheadMs);
  return failure('rejected.invalid', `a drain at ${time} is more than ${most} ahead`);
}

/** With each tick, and when the worker comes: what is due begins, or is over. */
export function followWindows(context: Context, worker: Worker): void {
  if (worker.windows.length === 0) return;
  const { now } = context;
  const left = worker.windows.map((window) => turned(window, now));
  if (left.every((window, at) => window === worker.windows[at])) return;
  setWindows(
    context,
    worker,
    left.flatMap((window) => (window === undefined ? [] : [wireOf(window)])),
  );
}

/** The window itself: nothing is due. Undefined: it is over. */
function turned(window: DrainWindow, now: Now): DrainWindow | undefined {
  const { at, ms, begun, dueMono } = window;
  const isFirstSight = dueMono === null;
  const due = dueMono ?? dueOf(window, now);
  window.dueMono = due;
  if (begun) return now.mono >= due ? undefined : window;
  if (now.mono < due && now.wall < at) return window;
  // The epoch before saw it begin, or nobody did.
  const leftMs = ms === null || !isFirstSight ? ms : Math.min(ms, at + ms - now.wall);
  return leftMs !== null && leftMs <= 0 ? undefined : { ...window, at: now.wall, ms: leftMs, begun: true };
}

function dueOf({ at, ms, begun }: DrainWindow, { mono, wall }: Now): number {
  if (!begun) return mono + at - wall;
  return ms === null ? Number.POSITIVE_INFINITY : mono + Math.min(at + ms - wall, ms);
}

function setWindows(context: Context, worker: Worker, windows: readonly WireWindow[]): void {
  const { now } = context;
  const known = new Map(worker.windows.map((window) => [`${window.id} ${window.begun}`, window.dueMono]));
  decide(context, [decided.windowsSet, worker.id, windows, now.wall]);
  for (const window of worker.windows) {
    const name = `${window.id} ${window.begun}`;
    window.dueMono = known.get(name) ?? dueOf(window, now);
    if (window.deadline !== null && !known.has(name)) window.deadline.dueMono = now.mono + window.deadline.ms;
  }
}

export function wireOf({ id, at, ms, begun, deadlineMs }: DrainWindow): WireWindow {
  return [id, at, ms, deadlineMs, begun];
}

/** With each tick, after an order, and when a worker comes for which something is planned. */
export function noteUpcoming({ state, now }: Context): void {
  const upcoming: Upcoming[] = [];
  for (const { id, windows } of state.workers.values()) {
    const next = windows.find(({ begun }) => !begun);
    if (next === undefined) continue;
    const inMs = Math.max(0, Math.min(next.at - now.wall, (next.dueMono ?? now.mono) - now.mono));
    upcoming.push({ worker: id, at: next.at, inMs });
  }
  if (upcoming.length < state.upcoming.length) lookAgain(state);
  state.upcoming = upcoming;
}

/** Where it is not to begin, for what is planned there. */
export function shutFor(state: BrokerState, envelope: Envelope): readonly Shut[] {
  if (state.upcoming.length === 0 || envelope.restart !== undefined) return noneShut;
  const shut: Shut[] = [];
  for (const { worker, at, inMs } of state.upcoming) {
    const lengthMs = expectedMs(state, worker, envelope);
    if (lengthMs !== undefined && lengthMs > inMs) shut.push({ worker, at, lengthMs });
  }
  return shut.length === 0 ? noneShut : shut;
}

const noneShut: readonly Shut[] = [];

/** Fetch and run, of nine in ten such; undefined: nobody knows. */
function expectedMs({ learned, workers }: BrokerState, id: WorkerId, envelope: Envelope): number | undefined {
  const bound = longestMs(envelope);
  const most = Number.isFinite(bound) ? bound : undefined;
  const task = foretold(envelope);
  const view = workers.get(id)?.view;
  if (view === undefined || learned.knownMs(task) === undefined) return most;
  const seats =
    envelope.resources.gpu === undefined
      ? [seatOf(envelope, id, undefined)]
      : (view.report?.devices ?? []).map(({ uuid }) => uuid);
  const runs = seats.map((seat) => learned.runs.run(task.taskClass, seat, task.inputBytes)?.p90Ms ?? 0);
  return Math.min(bound, Math.max(...runs, 0) + learned.fetchMs(task, view));
}
