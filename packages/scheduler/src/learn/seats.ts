/**
 * Where attempts run, and how fast it is there. A *seat* is the device that a task holds, or else its worker; seats of one
 * *model* (devices of one name, workers with one CPU) are expected to be alike.
 *
 * 1. What a seat adds to the logarithm of a run is learned over all classes; as far as it is not, its model's counts, and
 *    as far as that is not, what was measured at its join.
 * 2. A seat whose runs are all longer, or all shorter, than expected has changed: what is known of it moves at once, for
 *    every class (`jump`). Half of the last `recent` runs say so, or of the last half of them, whichever classes they are of.
 * 3. Bounded: the seats and models used least recently go first.
 */
import { RecentMap } from '../recency.ts';
import { clamp, type Level, learn, shrunk, unknownLevel } from './level.ts';

export interface Seat {
  readonly id: string;
  model: string;
  /** ln of how much longer a thread takes than on the reference machine, as was measured; 0 when it was not. */
  prior: number;
  /** The same of all its threads together, against one there; 0 as well. */
  allPrior: number;
  readonly effect: Level;
  /** Sum of the changes that were noticed, and their number. */
  jump: number;
  changes: number;
  /** Of the last runs, how far from what was expected; newest last. */
  recent: number[];
  /** Mean distance that is usual here. */
  usual: number;
}

/** As plain data. */
export type SavedSeat = readonly [
  id: string,
  model: string,
  prior: number,
  n: number,
  at: number,
  jump: number,
  changes: number,
  usual: number,
  recent: readonly number[],
  /** Missing in what earlier versions wrote. */
  allPrior?: number,
];

const keptSeats = 16_384;
const keptModels = 1024;
const recentRuns = 16;
const leastRate = 1 / 32;
/** What is measured at a join counts as much as so many runs. */
const priorRuns = 4;
/** ln 1.6: less is noise, or not worth being called a change. */
const leastChange = 0.47;
/** Standard errors of the median: by chance less than once in a thousand runs, and then known for such a dozen runs later. */
const errors = 3.3;
const mostEffect = 6;
/** Of a thread, against the reference machine's: a small board has a sixteenth, and nothing is four times as fast. */
const leastSpeed = 1 / 16;
const mostSpeed = 4;
const mostThreads = 1024;

export class Seats {
  private readonly seats = new RecentMap<Seat>(keptSeats);
  private readonly models = new RecentMap<Level>(keptModels);

  /** What is known of it beforehand. Speeds: 1 is a thread of the reference machine, 0 unknown. */
  describe(id: string, model: string, speed: number, allSpeed: number): void {
    const seat = this.seats.get(id) ?? this.add(id);
    seat.model = model;
    seat.prior = priorOf(speed);
    seat.allPrior = allPriorOf(speed, allSpeed);
  }

  find(id: string): Seat | undefined {
    return this.seats.get(id);
  }

  used(id: string): Seat {
    return this.seats.use(id) ?? this.add(id);
  }

  forget(id: string): void {
    this.seats.delete(id);
  }

  /** What the seat adds to the logarithm of a run that keeps so many threads busy. */
  effectOf(seat: Seat | undefined, threads: number): number {
    if (seat === undefined) return 0;
    const alike = shrunk(this.models.get(seat.model), priorFor(seat, threads), priorRuns);
    return shrunk(seat.effect, alike, priorRuns);
  }

  learnEffect(seat: Seat, seen: number): void {
    const value = clamp(seen, mostEffect);
    learn(seat.effect, value, leastRate, 1);
    if (seat.model === '') return;
    let model = this.models.use(seat.model);
    if (model === undefined) {
      model = unknownLevel();
      this.models.add(seat.model, model);
    }
    learn(model, value, leastRate, 1);
  }

  /** `distance`: seen less expected, of a run in a class that is known here; `usual`: what is usual in that class. */
  watch(seat: Seat, distance: number, usual: number): void {
    seat.usual += (usual - seat.usual) / Math.min(recentRuns, seat.recent.length + 1);
    seat.recent.push(distance);
    if (seat.recent.length > recentRuns) seat.recent.shift();
    const change = changeIn(seat, recentRuns / 2) ?? changeIn(seat, recentRuns);
    if (change === undefined) return;
    seat.jump += change;
    seat.effect.at = clamp(seat.effect.at + change, mostEffect);
    seat.changes += 1;
    seat.recent = [];
  }

  save(): {
    readonly seats: readonly SavedSeat[];
    readonly models: readonly (readonly [string, number, number])[];
  } {
    return {
      seats: [...this.seats.values()].map((seat) => {
        const { id, model, prior, effect, jump, changes, usual, recent, allPrior } = seat;
        return [id, model, prior, effect.n, effect.at, jump, changes, usual, [...recent], allPrior] as const;
      }),
      models: [...this.models].map(([name, { n, at }]) => [name, n, at] as const),
    };
  }

  load({ seats, models }: ReturnType<Seats['save']>): void {
    this.seats.clear();
    this.models.clear();
    for (const [id, model, prior, n, at, jump, changes, usual, recent, allPrior = 0] of seats) {
      const effect = { n, at };
      this.seats.add(id, { id, model, prior, allPrior, effect, jump, changes, usual, recent: [...recent] });
    }
    for (const [name, n, at] of models) this.models.add(name, { n, at });
  }

  private add(id: string): Seat {
    const seat: Seat = {
      id,
      model: '',
      prior: 0,
      allPrior: 0,
      effect: unknownLevel(),
      jump: 0,
      changes: 0,
      recent: [],
      usual: 0,
    };
    this.seats.add(id, seat);
    return seat;
  }
}

/** A worker's word, so within what machines are. */
export function priorOf(speed: number): number {
  return speed > 0 && Number.isFinite(speed)
    ? -Math.log(Math.min(mostSpeed, Math.max(leastSpeed, speed)))
    : 0;
}

export function allPriorOf(speed: number, allSpeed: number): number {
  const most = Math.max(leastSpeed, Math.min(mostSpeed, speed)) * mostThreads;
  return allSpeed > 0 && speed > 0 ? -Math.log(Math.min(most, Math.max(leastSpeed, allSpeed))) : 0;
}

/** Threads run as fast as one alone until that is more than all have together. A run that mostly waits is hardly slowed. */
function priorFor({ prior, allPrior }: Seat, threads: number): number {
  if (threads <= 1 || allPrior === 0) return Math.min(1, threads) * prior;
  return Math.max(prior, allPrior + Math.log(threads));
}

/** In so many last runs, as the later half of them tells; undefined: none. A great change is told by few. */
function changeIn({ recent, usual }: Seat, runs: number): number | undefined {
  if (recent.length < runs) return undefined;
  // Of a normal distribution the median's standard error is 1.25 σ / √n, and σ 1.25 mean distances.
  const byChance = (errors * 1.25 * 1.25 * usual) / Math.sqrt(runs);
  if (!mostAre(recent.slice(-runs), Math.max(leastChange, byChance))) return undefined;
  return medianOf(recent.slice(-runs / 2));
}

/** More than half are that far off, on one side: the median is, and nothing is sorted for it. */
function mostAre(distances: readonly number[], off: number): boolean {
  let [above, below] = [0, 0];
  for (const distance of distances) {
    if (distance >= off) above += 1;
    else if (distance <= -off) below += 1;
  }
  return 2 * Math.max(above, below) > distances.length;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const above = sorted[middle] as number;
  return sorted.length % 2 === 1 ? above : (above + (sorted[middle - 1] as number)) / 2;
}
