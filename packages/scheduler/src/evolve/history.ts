/**
 * The recorded history as a workload of the simulated grid: the same tasks arrive when they did, on the machines as they are
 * now, and run for as long as they ran; elsewhere for as long as their class is known to take there.
 *
 * 1. Where a task ran, a replay knows the truth. Elsewhere it goes by what was learned of class, worker and device over the
 *    whole history: no replay can prove more than that.
 */
import type { Device, PastTask, WorkerId, WorkerReport } from '@gryphgen/protocol';
import { Estimator } from '../learn/estimator.ts';
import { toldSeats } from '../learn/told-seats.ts';
import type { Machine } from '../mixed/machines.ts';
import type { MixedClass, MixedTask, MixedWorkload } from '../mixed/workload.ts';
import { place } from '../place.ts';
import { normalized, type Shape, shapeKey } from '../shape.ts';
import { changeView, newView } from '../worker-view.ts';

export interface PastWorker {
  readonly id: string;
  readonly report: WorkerReport;
}

export interface History {
  readonly machines: readonly Machine[];
  readonly workload: MixedWorkload;
  /** In the order of their arrival, as in the workload. */
  readonly tasks: readonly PastTask[];
}

/** A start that took so long waited for its image. */
const leastPullMs = 2000;
/** Of an image of which no pull was seen, where none was. */
const unknownPullMs = 20_000;

/** Of tasks that ended well, in any order. Those that would fit on none of the workers are left out. */
export function historyOf(past: readonly PastTask[], workers: readonly PastWorker[]): History {
  const pulls = new Pulls(past);
  const machines = workers.map(({ id, report }): Machine => {
    const images = report.images.filter((image) => !pulls.isSeen(id, image));
    return { id: id as WorkerId, report: { ...report, images }, speed: report.speed, pullBytesPerMs: 0 };
  });
  const classes = new Classes(machines);
  const tasks = past
    .toSorted((a, b) => a.queuedAt - b.queuedAt || a.task - b.task)
    .filter((task) => classes.of(task) !== undefined);
  const truth = learnedFrom(tasks, machines);
  const [first] = tasks;
  const arrivals = tasks.map((task, job): PastArrival => {
    const { inputBytes, queuedAt } = task;
    const at = queuedAt - (first?.queuedAt ?? 0);
    return { at, of: classes.of(task) as MixedClass, inputBytes, job, after: [], past: task };
  });
  const workload: MixedWorkload = {
    tasks: arrivals,
    runMs: (arrival, machine, device) => runMs(truth, (arrival as PastArrival).past, machine, device),
    pullMs: ({ of }, machine) => pulls.ms(machine.id, of.shape.image ?? ''),
  };
  return { machines, workload, tasks };
}

/** The first of it, by arrival. */
export function beginningOf({ machines, workload, tasks }: History, count: number): History {
  const arrivals = workload.tasks.slice(0, count);
  return { machines, workload: { ...workload, tasks: arrivals }, tasks: tasks.slice(0, count) };
}

interface PastArrival extends MixedTask {
  readonly past: PastTask;
}

/** By class and shape, of those that fit somewhere. */
class Classes {
  private readonly known = new Map<string, MixedClass | undefined>();
  private readonly views;

  constructor(machines: readonly Machine[]) {
    this.views = machines.map(({ id, report }) => {
      const view = newView(id, report.name);
      changeView(view, { report, connected: true });
      return view;
    });
  }

  of({ taskClass, shape }: PastTask): MixedClass | undefined {
    const key = `${shapeKey(shape)} ${taskClass}`;
    if (!this.known.has(key)) this.known.set(key, this.made(taskClass, normalized(shape)));
    return this.known.get(key);
  }

  private made(name: string, shape: Shape): MixedClass | undefined {
    return place(shape, this.views).kind === 'placed' ? { name, shape, medianMs: 0 } : undefined;
  }
}

function seatOf({ worker, device }: Pick<PastTask, 'worker' | 'device'>): string {
  return device ?? worker;
}

function learnedFrom(tasks: readonly PastTask[], machines: readonly Machine[]): Estimator {
  const truth = new Estimator();
  for (const { id, report } of machines)
    for (const seat of toldSeats(id, report)) truth.describeSeat(...seat);
  for (const task of tasks.toSorted((a, b) => a.endedAt - b.endedAt || a.task - b.task)) {
    const { taskClass, inputBytes } = task;
    truth.observe({ taskClass, inputBytes, seat: seatOf(task), runMs: ranMs(task) });
  }
  return truth;
}

function ranMs({ startedAt, endedAt }: PastTask): number {
  return Math.max(1, endedAt - startedAt);
}

function runMs(truth: Estimator, past: PastTask, machine: Machine, device: Device | undefined): number {
  const [was, here] = [seatOf(past), device?.uuid ?? machine.id];
  if (was === here) return ranMs(past);
  const known = (seat: string) => truth.run(past.taskClass, seat, past.inputBytes)?.p50Ms ?? 1;
  return (ranMs(past) * known(here)) / known(was);
}

/** How long images took, by worker and image: told by the first start there. */
class Pulls {
  private readonly seen = new Map<string, number>();
  private readonly byImage = new Map<string, number[]>();

  constructor(past: readonly PastTask[]) {
    const first = new Set<string>();
    for (const { shape, worker, placedAt, startedAt } of past.toSorted((a, b) => a.placedAt - b.placedAt)) {
      const { image } = normalized(shape);
      const key = `${worker} ${image}`;
      if (image === undefined || placedAt === 0 || first.has(key)) continue;
      first.add(key);
      const ms = startedAt - placedAt;
      if (ms < leastPullMs) continue;
      this.seen.set(key, ms);
      this.byImage.set(image, [...(this.byImage.get(image) ?? []), ms]);
    }
  }

  isSeen(worker: string, image: string): boolean {
    return this.seen.has(`${worker} ${image}`);
  }

  ms(worker: string, image: string): number {
    const seen = this.seen.get(`${worker} ${image}`);
    return seen ?? medianOf(this.byImage.get(image)) ?? medianOf([...this.seen.values()]) ?? unknownPullMs;
  }
}

function medianOf(values: readonly number[] = []): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
