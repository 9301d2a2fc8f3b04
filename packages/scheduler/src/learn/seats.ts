/**
 * Where attempts run, and how fast it is there. A *seat* is the device that a task holds, or else its worker; seats of one
 * *model* (devices of one name, workers with one CPU) are expected to be alike.
 *
 * 1. What a seat adds to the logarithm of a run is learned over all classes; as far as it is not, its model's counts, and
 *    as far as that is not, what was measured at its join.
 * 2. A seat whose runs are all longer, or all shorter, than expected has changed: what is known of it moves at once, for
 *    every class (`jump`). Half of the last `recent` runs say so, whichever classes they are of.
 * 3. Bounded: the seats and models used least recently go first.
 */
import { clamp, type Level, learn, shrunk, unknownLevel } from './level.ts';
import { leastRecent, touched } from './recency.ts';

export interface Seat {
  readonly id: string;
  model: string;
  /** ln of how much longer runs take than on the reference machine, as was measured; 0 when it was not. */
  prior: number;
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

export class Seats {
  private readonly seats = new Map<string, Seat>();
  private readonly models = new Map<string, Level>();

  /** What is known of it beforehand; `speed` 1 is the reference machine's, 0 unknown. */
  describe(id: string, model: string, speed: number): void {
    const seat = this.seats.get(id) ?? this.add(id);
    seat.model = model;
    seat.prior = priorOf(speed);
  }

  find(id: string): Seat | undefined {
    return this.seats.get(id);
  }

  used(id: string): Seat {
    const seat = this.seats.get(id) ?? this.add(id);
    touched(this.seats, id, seat);
    return seat;
  }

  forget(id: string): void {
    this.seats.delete(id);
  }

  /** What the seat adds to the logarithm of a run. */
  effectOf(seat: Seat | undefined): number {
    if (seat === undefined) return 0;
    const alike = shrunk(this.models.get(seat.model), seat.prior, priorRuns);
    return shrunk(seat.effect, alike, priorRuns);
  }

  learnEffect(seat: Seat, seen: number): void {
    const value = clamp(seen, mostEffect);
    learn(seat.effect, value, leastRate, 1);
    if (seat.model === '') return;
    let model = this.models.get(seat.model);
    if (model === undefined) {
      model = unknownLevel();
      leastRecent(this.models, keptModels);
    }
    touched(this.models, seat.model, model);
    learn(model, value, leastRate, 1);
  }

  /** `distance`: seen less expected, of a run in a class that is known here; `usual`: what is usual in that class. */
  watch(seat: Seat, distance: number, usual: number): void {
    seat.usual += (usual - seat.usual) / Math.min(recentRuns, seat.recent.length + 1);
    seat.recent.push(distance);
    if (seat.recent.length > recentRuns) seat.recent.shift();
    if (seat.recent.length < recentRuns) return;
    // Of a normal distribution the median's standard error is 1.25 σ / √n, and σ 1.25 mean distances.
    const byChance = (errors * 1.25 * 1.25 * seat.usual) / Math.sqrt(recentRuns);
    if (!mostAre(seat.recent, Math.max(leastChange, byChance))) return;
    const change = medianOf(seat.recent.slice(recentRuns / 2));
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
        const { id, model, prior, effect, jump, changes, usual, recent } = seat;
        return [id, model, prior, effect.n, effect.at, jump, changes, usual, [...recent]] as const;
      }),
      models: [...this.models].map(([name, { n, at }]) => [name, n, at] as const),
    };
  }

  load({ seats, models }: ReturnType<Seats['save']>): void {
    this.seats.clear();
    this.models.clear();
    for (const [id, model, prior, n, at, jump, changes, usual, recent] of seats)
      this.seats.set(id, { id, model, prior, effect: { n, at }, jump, changes, usual, recent: [...recent] });
    for (const [name, n, at] of models) this.models.set(name, { n, at });
  }

  private add(id: string): Seat {
    leastRecent(this.seats, keptSeats);
    const seat: Seat = {
      id,
      model: '',
      prior: 0,
      effect: unknownLevel(),
      jump: 0,
      changes: 0,
      recent: [],
      usual: 0,
    };
    this.seats.set(id, seat);
    return seat;
  }
}

export function priorOf(speed: number): number {
  return speed > 0 && Number.isFinite(speed) ? clamp(-Math.log(speed), mostEffect) : 0;
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
