/**
 * What is learned of runs: how long a task of a class takes on a seat (its device, or else its worker), and what it needs
 * of memory. Fed with one observation for each attempt that succeeded; asked by placement and by `explain`.
 *
 * The logarithm of a run is the class's level + the seat's effect + slope × ln(input bytes), as far as the class is not
 * known on that seat, or on seats of its model, itself.
 *
 * 1. Deterministic: the same observations in the same order make the same estimates, here and in a replay.
 * 2. Constant time for each observation; memory is bounded, whatever is observed (seats.ts, task-classes.ts).
 * 3. No observation makes an estimate that is no number: what cannot be is bounded or passed over, and counted.
 */
import { addedBy, learnBySize, learnSize } from './input-size.ts';
import type { PartLevel } from './lessons-due.ts';
import { type Level, learn, shrunk } from './level.ts';
import { learnLack, learnNeed, type NeedEstimate, needOf } from './needs.ts';
import { Newcomers, type SavedNewcomers } from './newcomers.ts';
import { estimateOf, leastRunMs, type MeanMs, mostRunMs, msOf, type RunEstimate } from './run-estimate.ts';
import { allPriorOf, priorOf, Seats } from './seats.ts';
import { believedWithin, learnSpread, meanAboveMedian } from './spread.ts';
import {
  learnThreads,
  type Pair,
  pairIn,
  type SavedClass,
  savedClass,
  type TaskClass,
  TaskClasses,
  threadsOf,
  withPairs,
} from './task-classes.ts';

export interface Observation {
  readonly taskClass: string;
  /** Of which it tells what new classes take (newcomers.ts); missing: of none. */
  readonly family?: string;
  readonly seat: string;
  /** Whose word it is; default `seat`. */
  readonly worker?: string;
  readonly runMs: number;
  /** Of all its inputs; 0 when it has none. */
  readonly inputBytes?: number;
  /** Time on processors, and the processors it asked for; 0 or missing as well. */
  readonly cpuMs?: number;
  readonly cpuMilli?: number;
  /** The most it held at a time; 0 or missing when it is not known. */
  readonly peakMemoryBytes?: number;
  readonly peakVramBytes?: number;
}

export type SavedEstimates = {
  readonly classes: ReturnType<TaskClasses['save']>;
  readonly absurd: number;
  /** Missing in what earlier versions wrote. */
  readonly newcomers?: SavedNewcomers;
} & ReturnType<Seats['save']>;

const mostBytes = 2 ** 50;
/** How fast a class is forgotten on one seat, and by itself. */
const leastPairRate = 1 / 10;
const leastClassRate = 1 / 32;
/** ln: how far what a class takes on one seat is from what it takes elsewhere, beyond what all classes feel of the seat. */
const usualDifference = 0.3;
const leastElsewhereRuns = 0.25;
const mostElsewhereRuns = 8;
/** Of a class that was hardly seen; it counts as much as two runs. */
const unknownNoise = 0.4;
/** Runs after which what is expected of a class says something of its seat. */
const knownRuns = 3;
/** The same of a seat, for classes that never ran there. */
const knownSeatRuns = 10;

export class Estimator {
  private readonly seats = new Seats();
  private readonly classes = new TaskClasses();
  private readonly newcomers = new Newcomers();
  /** Observations that could not be, passed over or bounded. */
  absurd = 0;

  /** What is known of a seat before anything ran there; speeds as in a worker's report, of one thread and of all. */
  describeSeat(id: string, model: string, speed: number, allSpeed = 0): void {
    this.seats.describe(id, model, speed, allSpeed);
  }

  /** Whether describing it so would change nothing. */
  isDescribed(id: string, model: string, speed: number, allSpeed = 0): boolean {
    const { model: known = '', prior = 0, allPrior = 0 } = this.seats.find(id) ?? {};
    return known === model && prior === priorOf(speed) && allPrior === allPriorOf(speed, allSpeed);
  }

  forgetSeat(id: string): void {
    this.seats.forget(id);
  }

  observe(observation: Observation): void {
    const { taskClass, seat: seatId, worker = seatId, peakMemoryBytes = 0, peakVramBytes = 0 } = observation;
    const runMs = this.bounded(observation.runMs, leastRunMs, mostRunMs);
    if (runMs === undefined) return;
    const known = this.classes.used(taskClass);
    learnThreads(known, runMs, observation);
    const inputBytes = this.size(observation.inputBytes ?? 0);
    if (inputBytes > 0) learnSize(known.inputs, inputBytes);
    this.observeRun(known, observation, Math.log(runMs), inputBytes);
    const [memory, vram] = [this.size(peakMemoryBytes), this.size(peakVramBytes)];
    const { inputs } = known;
    if (memory > 0) known.memory = learnNeed(known.memory, worker, memory, inputs, inputBytes);
    if (vram > 0) known.vram = learnNeed(known.vram, worker, vram, inputs, inputBytes);
  }

  /** A run was ended for want of it while it held so much. */
  observeLack(taskClass: string, what: 'memory' | 'vram', worker: string, heldBytes: number): void {
    const held = this.size(heldBytes);
    if (held === 0) return;
    const known = this.classes.used(taskClass);
    known[what] = learnLack(known[what], worker, held);
  }

  /** Undefined where nothing of the class was seen. */
  run(taskClass: string, seatId: string, inputBytes = 0): RunEstimate | undefined {
    const known = this.classes.find(taskClass);
    if (known === undefined || known.n === 0) return undefined;
    const here = known.pairs.get(seatId)?.n ?? 0;
    return estimateOf(this.middleOf(known, seatId, inputBytes), known.spread, here, known.n);
  }

  /** Of a class of which nothing was seen, `threads` busy; undefined where nothing of its family was either. */
  newcomer(family: string, seatId: string, threads: number): RunEstimate | undefined {
    const known = this.newcomers.find(family);
    if (known === undefined) return undefined;
    const middle = known.level.at + this.seats.effectOf(this.seats.find(seatId), threads);
    return estimateOf(middle, known.spread, 0, 0);
  }

  /** The `meanMs` of `run` on seat after seat, until anything is observed: what is the same on all is worked out once. */
  meansOf(taskClass: string, inputBytes: number): MeanMs | undefined {
    const known = this.classes.find(taskClass);
    if (known === undefined || known.n === 0) return undefined;
    const { pairs, spread, bySize, inputs } = known;
    const anywhere = onAnySeat(known);
    const added = addedBy(bySize, inputs, inputBytes);
    const above = meanAboveMedian(spread);
    return (seatId) =>
      msOf(this.expected(anywhere, this.seats.find(seatId), pairs.get(seatId)) + added + spread.p50 + above);
  }

  /** The same of `newcomer`. */
  newcomerMeansOf(family: string, threads: number): MeanMs | undefined {
    const known = this.newcomers.find(family);
    if (known === undefined) return undefined;
    const { level, spread } = known;
    const above = meanAboveMedian(spread);
    return (seatId) =>
      msOf(level.at + this.seats.effectOf(this.seats.find(seatId), threads) + spread.p50 + above);
  }

  /** Runs of the class that were seen, anywhere or on this seat. */
  countOf(taskClass: string, seatId?: string): number {
    const known = this.classes.find(taskClass);
    return (seatId === undefined ? known?.n : known?.pairs.get(seatId)?.n) ?? 0;
  }

  /** The `p50Ms` of `run`, for who asks for each task that ends. */
  typicalMs(taskClass: string, seatId: string, inputBytes: number): number | undefined {
    const known = this.classes.find(taskClass);
    return known === undefined || known.n === 0
      ? undefined
      : msOf(this.middleOf(known, seatId, inputBytes) + known.spread.p50);
  }

  /** Of memory, or of a device's; undefined where nothing of it was seen. */
  need(taskClass: string, what: 'memory' | 'vram', inputBytes = 0): NeedEstimate | undefined {
    const known = this.classes.find(taskClass);
    const need = known?.[what];
    return known === undefined || need == null ? undefined : needOf(need, known.inputs, inputBytes);
  }

  /** Runs of the class since one was seen on this seat; undefined when none ever was. */
  unseenFor(taskClass: string, seatId: string): number | undefined {
    const known = this.classes.find(taskClass);
    const pair = known?.pairs.get(seatId);
    return known === undefined || pair === undefined ? undefined : known.n - pair.seen;
  }

  /** How often the seat was found to have become faster or slower. */
  changesOf(seatId: string): number {
    return this.seats.find(seatId)?.changes ?? 0;
  }

  /** Of each seat on which the class ran: its runs there, and ln of how long they take. */
  levelsOf(taskClass: string): readonly PartLevel[] {
    const { pairs = [] } = this.classes.find(taskClass) ?? {};
    return [...pairs].map(([seat, { n, at, jump }]) => [seat, n, at + this.jumpOf(seat) - jump] as const);
  }

  /** A class by itself, for an estimator that knows of other changes of its seats. */
  saveClass(taskClass: string): SavedClass | undefined {
    const known = this.classes.find(taskClass);
    if (known === undefined) return undefined;
    const saved = savedClass(taskClass, known);
    return structuredClone(withPairs(saved, (seat, at, jump) => [at + this.jumpOf(seat) - jump, 0]));
  }

  /** In place of what is known of that class. */
  putClass(saved: SavedClass): void {
    this.classes.put(withPairs(saved, (seat, at) => [at, this.jumpOf(seat)]));
  }

  save(): SavedEstimates {
    const [classes, newcomers] = [this.classes.save(), this.newcomers.save()];
    return { classes, absurd: this.absurd, newcomers, ...this.seats.save() };
  }

  load(saved: SavedEstimates): void {
    this.absurd = saved.absurd;
    this.classes.load(saved.classes);
    this.newcomers.load(saved.newcomers ?? []);
    this.seats.load(saved);
  }

  private jumpOf(seatId: string): number {
    return this.seats.find(seatId)?.jump ?? 0;
  }

  private observeRun(
    known: TaskClass,
    { seat: seatId, family }: Observation,
    run: number,
    inputBytes: number,
  ): void {
    const seat = this.seats.used(seatId);
    const { spread } = known;
    const before = known.n;
    known.n += 1;
    const seen = run - addedBy(known.bySize, known.inputs, inputBytes);
    const effect = this.seats.effectOf(seat, threadsOf(known));
    if (family !== undefined) this.newcomers.observe(family, seen - effect, before);
    const pair = pairIn(known.pairs, seatId);
    pair.at += seat.jump - pair.jump;
    pair.jump = seat.jump;
    pair.seen = known.n;
    const expected = before === 0 ? seen : this.expected(onAnySeat(known), seat, pair);
    const distance = seen - expected;
    const within = before < knownRuns ? mostDistance : believedWithin(spread);
    if (pair.n >= knownRuns || (before >= knownRuns && seat.effect.n >= knownSeatRuns))
      this.seats.watch(seat, Math.max(-mostDistance, Math.min(mostDistance, distance)), spread.scale);
    if (before >= knownRuns) this.seats.learnEffect(seat, seen - known.level.at);
    if (pair.n > 0) learn(known.noise, Math.abs(seen - pair.at), leastClassRate, within);
    learn(known.level, seen - effect, leastClassRate, within + 1);
    learn(pair, seen, leastPairRate, within);
    if (seat.model !== '') learn(pairIn(known.alike, seat.model), seen, leastPairRate, within);
    learnBySize(known.bySize, known.inputs, inputBytes, run - expected, within);
    if (before > 0) learnSpread(spread, distance);
  }

  /** ln of a run. */
  private middleOf(known: TaskClass, seatId: string, inputBytes: number): number {
    const here = known.pairs.get(seatId);
    return (
      this.expected(onAnySeat(known), this.seats.find(seatId), here) +
      addedBy(known.bySize, known.inputs, inputBytes)
    );
  }

  /** ln of a run without what its inputs add. */
  private expected(
    { known, threads, weight }: OnAnySeat,
    seat: ReturnType<Seats['find']>,
    here: Pair | undefined,
  ): number {
    const byEffects = known.level.at + this.seats.effectOf(seat, threads);
    const alike = seat === undefined || seat.model === '' ? undefined : known.alike.get(seat.model);
    const elsewhere = shrunk(alike, byEffects, weight);
    if (here === undefined || here.n === 0) return elsewhere;
    const moved = (seat?.jump ?? 0) - here.jump;
    return shrunk({ n: here.n, at: here.at + moved }, elsewhere, weight);
  }

  /** Undefined of what is no number, or less than nothing. */
  private bounded(value: number, least: number, most: number): number | undefined {
    if (Number.isFinite(value) && value >= 0 && value <= most) return Math.max(least, value);
    this.absurd += 1;
    return value > most ? most : undefined;
  }

  private size(bytes: number): number {
    return bytes === 0 ? 0 : (this.bounded(bytes, 1, mostBytes) ?? 0);
  }
}

/** Of a class, what is the same for each seat. */
interface OnAnySeat {
  readonly known: TaskClass;
  readonly threads: number;
  /** Of what is known of it elsewhere. */
  readonly weight: number;
}

function onAnySeat(known: TaskClass): OnAnySeat {
  return { known, threads: threadsOf(known), weight: elsewhereRuns(known.noise) };
}

/** What is known of a class elsewhere counts as much as so many runs here: the more, the less one of them says. */
function elsewhereRuns(noise: Level): number {
  const runs = ((1.25 * shrunk(noise, unknownNoise, 2)) / usualDifference) ** 2;
  return Math.min(mostElsewhereRuns, Math.max(leastElsewhereRuns, runs));
}

/** ln: a factor of some three thousand. */
const mostDistance = 8;
