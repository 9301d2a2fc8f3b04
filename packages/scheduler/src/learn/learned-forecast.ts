/** The forecast that was learned (estimator.ts): of runs by class and seat, of images by name and worker. */
import type { DeviceUuid, Reservation } from '@gryphgen/protocol';
import { hasImage } from '../score.ts';
import type { WorkerView } from '../worker-view.ts';
import { Estimator } from './estimator.ts';
import type { Forecast, Foretold } from './forecast.ts';
import type { Ending } from './lines.ts';

/** An attempt that holds a part of a worker. */
export interface Underway {
  readonly task: Foretold;
  readonly reservation: Reservation;
  /** Since it runs; null while it does not yet. */
  readonly ranMs: number | null;
}

/** What an attempt taught. */
export interface Lesson {
  readonly task: Pick<Foretold, 'taskClass' | 'inputBytes'>;
  readonly worker: string;
  readonly reservation: Reservation;
  readonly runMs: number;
  readonly peakMemoryBytes?: number;
  readonly peakVramBytes?: number;
}

/** Of an image of which no pull was seen, where none was. */
const unknownFetchMs = 20_000;
/** What is over its time takes so much of that again. */
const lateShare = 0.3;
/** Fewer runs of a class say too little to go by. */
const leastRuns = 5;
/** One in so many runs of a class may be a try. */
const runsPerTry = 12;
/** Tries after which a seat is known, and runs of the class elsewhere after which it is worth another. */
const triesEach = 2;
const runsUntilStale = 150;
/** Classes of which the last try is remembered. */
const keptTries = 1024;
/** As the name of every image at once: no image is called so. */
const anyImage = '*';

export class LearnedForecast implements Forecast {
  readonly runs = new Estimator();
  readonly fetches = new Estimator();
  /** What is underway on a worker, asked when a plan needs it. */
  private readonly underway: (worker: WorkerView) => Iterable<Underway>;
  /** By class: its runs when the last try was made. */
  private readonly triedAt = new Map<string, number>();

  constructor(underway: (worker: WorkerView) => Iterable<Underway>) {
    this.underway = underway;
  }

  learn({ task, worker, reservation, runMs, ...use }: Lesson): void {
    this.runs.observe({ ...task, seat: seatOf(worker, reservation.devices[0]?.uuid), runMs, ...use });
  }

  /** How long an attempt waited for an image that was not there. */
  learnFetch(image: string, worker: string, ms: number): void {
    for (const taskClass of [image, anyImage]) this.fetches.observe({ taskClass, seat: worker, runMs: ms });
  }

  runMs(task: Foretold, worker: WorkerView, device: DeviceUuid | undefined): number | undefined {
    return this.runs.run(task.taskClass, seatOf(worker.id, device), task.inputBytes)?.meanMs;
  }

  typicalMs({ taskClass, inputBytes }: Foretold): number | undefined {
    const known = this.runs.run(taskClass, '', inputBytes);
    return known === undefined || known.anywhere < leastRuns ? undefined : known.meanMs;
  }

  fetchMs({ shape: { image } }: Foretold, { id, report }: WorkerView): number {
    if (image === undefined || (report !== null && hasImage(report, image))) return 0;
    const known = this.fetches.run(image, id) ?? this.fetches.run(anyImage, id);
    return known?.meanMs ?? unknownFetchMs;
  }

  endings(worker: WorkerView): readonly Ending[] {
    const endings: Ending[] = [];
    for (const { task, reservation, ranMs } of this.underway(worker)) {
      const runMs = this.runMs(task, worker, reservation.devices[0]?.uuid);
      const inMs =
        runMs === undefined
          ? Number.POSITIVE_INFINITY
          : leftOf(runMs, ranMs, () => this.fetchMs(task, worker));
      endings.push({ inMs, reservation });
    }
    return endings;
  }

  isWorthTrying({ taskClass }: Foretold, worker: WorkerView, device: DeviceUuid | undefined): boolean {
    const seat = seatOf(worker.id, device);
    const { here = 0, anywhere = 0 } = this.runs.run(taskClass, seat) ?? {};
    if (anywhere - (this.triedAt.get(taskClass) ?? 0) < runsPerTry) return false;
    return here < triesEach || (this.runs.unseenFor(taskClass, seat) ?? 0) > runsUntilStale;
  }

  tried({ taskClass }: Foretold): void {
    if (this.triedAt.size >= keptTries) this.triedAt.clear();
    this.triedAt.set(taskClass, this.runs.run(taskClass, '')?.anywhere ?? 0);
  }
}

/** A device's uuid is one on the whole grid. */
function seatOf(worker: string, device: DeviceUuid | undefined): string {
  return device ?? worker;
}

function leftOf(runMs: number, ranMs: number | null, fetchMs: () => number): number {
  return ranMs === null ? fetchMs() + runMs : Math.max(runMs - ranMs, lateShare * ranMs);
}
