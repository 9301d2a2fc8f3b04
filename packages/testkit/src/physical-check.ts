/**
 * What really runs on the machines, whoever believes what: counted when a unit starts and ends.
 *
 * 1. No machine ever runs more than it has (invariant 4), whatever is paused, cut off or restarted: what is fenced
 *    stays reserved until it has ended (E14).
 * 2. No task runs twice at once, unless the machine that still runs it was paused, without its worker's process for a
 *    while, or removed: a worker that is cut off stops before the broker gives its attempts to another (E12).
 * 3. A unit runs only what was leased to its worker under its very fence, on the devices of the lease (E8, E9).
 */
import type { DeviceShare, Lease, TaskId } from '@gryphgen/protocol';
import { emptyLedger, type Ledger, oversubscription, release, reserve } from '@gryphgen/scheduler';
import { type Fence, keyOf, type StartOrder } from '@gryphgen/worker';
import type { WorkerShape } from './grid-shape.ts';
import { SimFailure } from './sim-failure.ts';
import type { UnitEnd } from './sim-machine.ts';

export type RunEnd = UnitEnd | 'died';

export interface Run {
  readonly worker: string;
  readonly fence: Fence;
  /** When its lease was first sent. */
  readonly leasedAt: number;
  readonly startedAt: number;
  endedAt: number;
  end: RunEnd | null;
}

interface Leased {
  readonly at: number;
  readonly worker: string;
  readonly devices: string;
}

export class PhysicalCheck {
  private readonly runs = new Map<TaskId, Run[]>();
  private readonly leased = new Map<string, Leased>();
  private readonly shapes: ReadonlyMap<string, WorkerShape>;
  private readonly used = new Map<string, Ledger>();
  private readonly stops = new Map<string, number>();
  private readonly orders = new Map<string, StartOrder>();
  private readonly steadySince: (worker: string) => number;
  private removal = false;

  constructor(workers: readonly WorkerShape[], steadySince: (worker: string) => number) {
    this.steadySince = steadySince;
    this.shapes = new Map(workers.map((shape) => [shape.name, shape]));
    for (const { name } of workers) this.used.set(name, emptyLedger());
  }

  /** The broker sends a lease to a worker. */
  leaseSent(lease: Lease, worker: string, now: number): void {
    const key = keyOf(lease);
    const devices = deviceNames(lease.devices);
    const before = this.leased.get(key);
    if (before === undefined) this.leased.set(key, { at: now, worker, devices });
    else if (before.worker !== worker || before.devices !== devices) {
      const words = `${key} was leased to ${before.worker} on [${before.devices}] and is now to ${worker} on [${devices}]`;
      throw new SimFailure('a lease never changes', words);
    }
  }

  running(worker: string, order: StartOrder, now: number): void {
    const { fence } = order;
    const key = keyOf(fence);
    const lease = this.leased.get(key);
    if (lease?.worker !== worker || lease.devices !== deviceNames(order.devices)) {
      throw new SimFailure(
        'only what was leased runs',
        `${worker} runs ${key}, leased: ${JSON.stringify(lease)}`,
      );
    }
    const stopped = this.stops.get(key);
    if (stopped !== undefined) {
      const words = `${worker} runs ${key} ${Math.round(now - stopped)} ms after it was told to stop it`;
      throw new SimFailure('a stop is not overtaken', words);
    }
    const [used, shape] = [this.used.get(worker) as Ledger, this.shapes.get(worker) as WorkerShape];
    reserve(used, order.facts.reservation);
    const over = oversubscription(used, shape.report);
    if (over !== undefined) {
      throw new SimFailure(
        'no machine is oversubscribed',
        `${worker} runs ${key} beside what it had: ${over}`,
      );
    }
    this.checkAlone(worker, fence, lease.at);
    this.orders.set(`${worker} ${key}`, order);
    this.runsOf(fence.task).push({
      worker,
      fence,
      leasedAt: lease.at,
      startedAt: now,
      endedAt: now,
      end: null,
    });
  }

  private checkAlone(worker: string, fence: Fence, leasedAt: number): void {
    // What it was leased before a pause it may begin after it, and be too late.
    if (this.removal || this.steadySince(worker) > leasedAt) return;
    const other = this.runsOf(fence.task).find(
      (run) => run.end === null && this.steadySince(run.worker) < run.leasedAt,
    );
    if (other === undefined) return;
    const words = `${worker} runs ${keyOf(fence)} while ${other.worker}, which was never paused, runs ${keyOf(other.fence)}`;
    throw new SimFailure('no task runs twice at once', words);
  }

  /** A worker is to be removed, or said hello too late: its attempts are given to others at once. */
  removed(): void {
    this.removal = true;
  }

  ended(worker: string, fence: Fence, how: RunEnd, now: number): void {
    const name = `${worker} ${keyOf(fence)}`;
    const order = this.orders.get(name);
    const runs = this.runsOf(fence.task);
    if (order !== undefined) {
      this.orders.delete(name);
      release(this.used.get(worker) as Ledger, order.facts.reservation);
    }
    const run = runs.find((one) => one.worker === worker && keyOf(one.fence) === keyOf(fence));
    if (run !== undefined) Object.assign(run, { end: how, endedAt: now });
    else {
      // It ended without ever running: it could not be started.
      runs.push({ worker, fence, leasedAt: now, startedAt: now, endedAt: now, end: how });
    }
  }

  stopTaken(fence: Fence, now: number): void {
    const key = keyOf(fence);
    if (!this.stops.has(key)) this.stops.set(key, now);
  }

  /** The worker's process is gone, and with it what it was told: it will be told again. */
  forgetStops(worker: string): void {
    for (const key of this.stops.keys()) if (this.leased.get(key)?.worker === worker) this.stops.delete(key);
  }

  /** When the worker had first been told to stop it; undefined when it never was. */
  stoppedAt(fence: Fence): number | undefined {
    return this.stops.get(keyOf(fence));
  }

  private runsOf(task: TaskId): Run[] {
    const known = this.runs.get(task);
    if (known !== undefined) return known;
    const made: Run[] = [];
    this.runs.set(task, made);
    return made;
  }

  /** How attempt `attempt` of the task ended on its machine; undefined when it never ran or still does. */
  endOf(task: TaskId, attempt: number): Run | undefined {
    return this.runs.get(task)?.find((run) => run.fence.attempt === attempt);
  }

  /** The time since its start: one that ended while its worker was paused may be taken to have run for all of it. */
  sinceStart(task: TaskId, attempt: number, now: number): number {
    const run = this.endOf(task, attempt);
    return run === undefined ? 0 : now - run.startedAt;
  }

  get runningCount(): number {
    return this.orders.size;
  }
}

function deviceNames(devices: readonly DeviceShare[]): string {
  return devices
    .map(({ uuid, vramBytes, whole }) => `${uuid} ${vramBytes}${whole ? ' whole' : ''}`)
    .join(', ');
}
