/** The forecast that was learned (estimator.ts): of runs by class and seat, of images by name and worker. */
import {
  asksModel,
  type DeviceUuid,
  type Envelope,
  type Reservation,
  type Usage,
  type WorkerId,
  type WorkerReport,
} from '@gryphgen/protocol';
import { defaultInForce, type PolicyInForce } from '../placement-policy.ts';
import { hasImage } from '../score.ts';
import type { WorkerView } from '../worker-view.ts';
import { Estimator } from './estimator.ts';
import type { Forecast, Foretold, RunsOf } from './forecast.ts';
import type { Ending } from './lines.ts';
import { familyOf } from './newcomers.ts';
import type { RunEstimate } from './run-estimate.ts';
import { askedSeat } from './told-seats.ts';

/** An attempt that holds a part of a worker. */
export interface Underway {
  readonly task: Foretold;
  readonly reservation: Reservation;
  /** Since it runs; null while it does not yet. */
  readonly ranMs: number | null;
}

/** What the worker does not have of inputs. */
export type MissingBytes = (inputs: NonNullable<Envelope['inputs']>, worker: WorkerId) => number;

/** How long an answer takes on a worker, as far as it is known how fast its model reads and writes there. */
export type AnswersOf = (
  question: NonNullable<Foretold['question']>,
) => ((worker: WorkerId) => number | undefined) | undefined;

/** What an attempt taught. */
export interface Lesson {
  readonly task: Pick<Foretold, 'shape' | 'taskClass' | 'inputBytes'>;
  readonly worker: string;
  readonly reservation: Reservation;
  readonly runMs: number;
  /** Null where nothing is known. */
  readonly usage: Usage | null;
}

/** Of an image of which no pull was seen, where none was. */
const unknownFetchMs = 20_000;
/** What is over its time takes so much of that again. */
const lateShare = 0.3;
/** Runs of a class from which on more than a place goes by what is usual of it. */
const knownRuns = 5;
/** Tries after which a seat is known, and runs of the class elsewhere after which it is worth another. */
const triesEach = 2;
const runsUntilStale = 60;
/** Classes of which the last try is remembered. */
const keptTries = 1024;
/** As the name of every image at once: no image is called so. */
const anyImage = '*';
/** As the name of inputs, of a GiB of them. */
const anyInput = '<';
const GiB = 1024 ** 3;
/** Of a GiB, where no transfer was seen: by a network of 1 Gbit/s. */
const unknownTransferMs = 10_000;
/** Less is there before it can be told from the start of an attempt. */
const leastBytes = 16 * 1024 ** 2;
/** A worker's word: on one that says less it takes no longer for it. */
const mostDiskTimes = 16;

/** What a wait for it teaches of, for `fetches`: the image, and every image; without one, inputs. */
export function fetchesOf(image: string | undefined): readonly string[] {
  return image === undefined ? [anyInput] : [image, anyImage];
}

export class LearnedForecast implements Forecast {
  readonly runs = new Estimator();
  /** On a disk that writes as fast as a usual network brings: what a slower one adds was measured, and need not be learned. */
  readonly fetches = new Estimator();
  /** What is underway on a worker, asked when a plan needs it. */
  private readonly underway: (worker: WorkerView) => Iterable<Underway>;
  private readonly policies: PolicyInForce;
  private readonly missingBytes: MissingBytes;
  private readonly answersOf: AnswersOf;
  /** By class: its runs when the last try was made. */
  private readonly triedAt = new Map<string, number>();

  constructor(
    underway: (worker: WorkerView) => Iterable<Underway>,
    policies = defaultInForce,
    missingBytes: MissingBytes = () => 0,
    answersOf: AnswersOf = () => undefined,
  ) {
    this.underway = underway;
    this.policies = policies;
    this.missingBytes = missingBytes;
    this.answersOf = answersOf;
  }

  learn({ task: { shape, taskClass, inputBytes }, worker, reservation, runMs, usage }: Lesson): void {
    const seat = seatOf(shape, worker, reservation.devices[0]?.uuid);
    const { cpuMilli } = reservation;
    const cpuMs = usage?.cpuMs ?? 0;
    const peakMemoryBytes = usage?.peakMemoryBytes ?? 0;
    const peakVramBytes = usage?.peakVramBytes ?? 0;
    this.runs.observe({
      taskClass,
      family: familyOf(shape),
      seat,
      worker,
      runMs,
      inputBytes,
      cpuMs,
      cpuMilli,
      peakMemoryBytes,
      peakVramBytes,
    });
  }

  /** How long an attempt waited for an image that was not there. */
  learnFetch(image: string, { id, report }: FetchSeat, ms: number): void {
    const runMs = ms / diskTimes(report);
    for (const taskClass of fetchesOf(image)) this.fetches.observe({ taskClass, seat: id, runMs });
  }

  /** How long one waited for so much of its inputs. */
  learnTransfer(bytes: number, { id, report }: FetchSeat, ms: number): void {
    if (bytes < leastBytes) return;
    const runMs = ((ms / diskTimes(report)) * GiB) / bytes;
    this.fetches.observe({ taskClass: anyInput, seat: id, runMs });
  }

  runsOf({ shape, taskClass, inputBytes, question }: Foretold): RunsOf | undefined {
    const means =
      this.runs.meansOf(taskClass, inputBytes) ??
      this.runs.newcomerMeansOf(familyOf(shape), threadsAsked(shape));
    if (means === undefined) return undefined;
    if (shape.model === undefined) return ({ id }, device) => means(device ?? id);
    const answers = question && this.answersOf(question);
    return ({ id }, device) => answers?.(id) ?? means(seatOf(shape, id, device));
  }

  typicalMs(task: Foretold): number | undefined {
    const expected = this.expected(task, '');
    if (expected === undefined || expected.anywhere < this.policies.inForce.leastRuns) return undefined;
    return expected.meanMs;
  }

  isGuessed({ taskClass }: Foretold): boolean {
    return this.runs.countOf(taskClass) === 0;
  }

  isWellKnown({ taskClass }: Foretold): boolean {
    return this.runs.countOf(taskClass) >= this.policies.inForce.corrections.waitRuns;
  }

  /** The same where so much is known of the class that something may be held against it. */
  knownMs({ taskClass, inputBytes }: Foretold): number | undefined {
    const known = this.runs.run(taskClass, '', inputBytes);
    return known === undefined || known.anywhere < knownRuns ? undefined : known.meanMs;
  }

  private expected({ shape, taskClass, inputBytes }: Foretold, seat: string): RunEstimate | undefined {
    const known = this.runs.run(taskClass, seat, inputBytes);
    if (known !== undefined) return known;
    return this.runs.newcomer(familyOf(shape), seat, threadsAsked(shape));
  }

  fetchMs(task: Foretold, view: WorkerView): number {
    return this.pullMs(task, view) + this.transferMs(task, view);
  }

  private transferMs(task: Foretold, view: WorkerView): number {
    const bytes = task.inputs === undefined ? 0 : this.missingBytes(task.inputs, view.id);
    if (bytes === 0) return 0;
    const ms = this.fetches.run(anyInput, view.id)?.meanMs ?? unknownTransferMs;
    return (bytes / GiB) * ms * diskTimes(view.report);
  }

  private pullMs({ shape: { image } }: Foretold, { id, report }: WorkerView): number {
    if (image === undefined || (report !== null && hasImage(report, image))) return 0;
    const known = this.fetches.run(image, id) ?? this.fetches.run(anyImage, id);
    return (known?.meanMs ?? unknownFetchMs) * diskTimes(report);
  }

  endings(worker: WorkerView): readonly Ending[] {
    const endings: Ending[] = [];
    for (const { task, reservation, ranMs } of this.underway(worker)) {
      const runMs = this.runsOf(task)?.(worker, reservation.devices[0]?.uuid);
      const inMs =
        runMs === undefined
          ? Number.POSITIVE_INFINITY
          : leftOf(runMs, ranMs, () => this.fetchMs(task, worker));
      endings.push({ inMs, reservation });
    }
    return endings;
  }

  isWorthTrying({ shape, taskClass }: Foretold, worker: WorkerView, device: DeviceUuid | undefined): boolean {
    const { runsPerTry } = this.policies.inForce.corrections;
    if (this.runs.countOf(taskClass) - (this.triedAt.get(taskClass) ?? 0) < runsPerTry) return false;
    const seat = seatOf(shape, worker.id, device);
    return (
      this.runs.countOf(taskClass, seat) < triesEach ||
      (this.runs.unseenFor(taskClass, seat) ?? 0) > runsUntilStale
    );
  }

  tried({ taskClass }: Foretold): void {
    if (this.triedAt.size >= keptTries) this.triedAt.clear();
    this.triedAt.set(taskClass, this.runs.countOf(taskClass));
  }
}

/** Whose word it is, and what was measured there. */
type FetchSeat = Pick<WorkerView, 'id' | 'report'>;

/** How many times longer than on a disk that keeps up with the network; 1 where that was not measured. */
function diskTimes(report: WorkerReport | null): number {
  const { diskWriteBytesPerS = 0 } = report?.calibration ?? {};
  if (diskWriteBytesPerS <= 0) return 1;
  return Math.min(mostDiskTimes, Math.max(1, (GiB * 1000) / unknownTransferMs / diskWriteBytesPerS));
}

/** A device's uuid is one on the whole grid. A question holds none: how fast it is answered has to do with its model's place there. */
export function seatOf(
  { kind, model }: Pick<Foretold['shape'], 'kind' | 'model'>,
  worker: string,
  device: DeviceUuid | undefined,
): string {
  return device ?? (model !== undefined && asksModel(kind) ? askedSeat(worker, model) : worker);
}

/** By what it asks for. */
function threadsAsked({ resources: { cpuMilli } }: Foretold['shape']): number {
  return cpuMilli === 0 ? 1 : cpuMilli / 1000;
}

function leftOf(runMs: number, ranMs: number | null, fetchMs: () => number): number {
  return ranMs === null ? fetchMs() + runMs : Math.max(runMs - ranMs, lateShare * ranMs);
}
