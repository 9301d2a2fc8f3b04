/**
 * What a class needs of memory, or of a device's: by all runs, bounded by what each worker told of its own.
 *
 * 1. What is charged follows no single worker's word: no more than twice what another saw, and where no other saw any,
 *    who charges is told so (`teller`).
 * 2. One wild run moves it by little; `change` in a row, all to one side, are no chance: the class is another from then on.
 * 3. A run that was ended for want of it needs more than it held (`lack`); runs that succeed with less take that back.
 */
import { addedBy, type BySize, type InputSizes, learnBySize, unknownBySize } from './input-size.ts';
import { type Level, learn, unknownLevel } from './level.ts';
import { believedWithin, learnSpread, type Spread, unknownSpread } from './spread.ts';

/** Sizes in bytes, as their logarithms. */
export interface Need {
  readonly level: Level;
  readonly spread: Spread;
  /** The rest is missing in what earlier versions wrote. */
  bySize?: BySize;
  /** By worker, the most it told of late; used last at the end. */
  tellers?: [worker: string, high: number][];
  /** 0: none. */
  lack?: number;
  /** Of the last runs, how many were all above what can be believed; less than 0: below. */
  surprises?: number;
}

/** In bytes. */
export interface NeedEstimate {
  readonly p50Bytes: number;
  /** Nine of ten needed no more; of runs that succeeded. */
  readonly p90Bytes: number;
  /** Runs that ended for want of it need as much, as it seems; 0 where none did of late. */
  readonly lackBytes: number;
  readonly seen: number;
  /** The only worker that told of it, as far as is known. */
  readonly teller?: string | undefined;
}

const leastRate = 1 / 16;
const change = 4;
const keptTellers = 8;
/** ln 2: beyond what another worker saw. */
const mostBeyond = Math.log(2);
/** ln 1.5: what is to be tried after one that was not enough. */
const lackStep = Math.log(1.5);
/** Of the way to what was enough, with each success. */
const lackRate = 1 / 4;

/** `need`: of earlier runs, null of none; `bytes` more than 0. */
export function learnNeed(
  need: Need | null,
  worker: string,
  bytes: number,
  sizes: InputSizes,
  inputBytes: number,
): Need {
  const known = need ?? unknownNeed();
  const { level, spread } = known;
  known.bySize ??= unknownBySize();
  const value = Math.log(bytes);
  const added = addedBy(known.bySize, sizes, inputBytes);
  const within = believedWithin(spread);
  if (level.n > 0) {
    learnBySize(known.bySize, sizes, inputBytes, value - level.at, mostDistance);
    learnSpread(spread, value - added - level.at);
  }
  if (isChange(known, value - added - level.at, within)) level.at = value - added;
  learn(level, value - added, leastRate, within);
  tell(known, worker, value);
  if (known.lack) known.lack = value >= known.lack ? 0 : known.lack + lackRate * (value - known.lack);
  return known;
}
const mostDistance = 3;

function isChange(need: Need, distance: number, within: number): boolean {
  const { surprises = 0, level } = need;
  const side = level.n === 0 || Math.abs(distance) <= within ? 0 : Math.sign(distance);
  need.surprises = side === 0 ? 0 : side * surprises > 0 ? surprises + side : side;
  if (Math.abs(need.surprises) < change) return false;
  need.surprises = 0;
  return true;
}

/** A run that held so much was ended for want of more. */
export function learnLack(need: Need | null, worker: string, bytes: number): Need {
  const known = need ?? unknownNeed();
  known.lack = Math.max(known.lack ?? 0, Math.log(bytes) + lackStep);
  tell(known, worker, known.lack);
  return known;
}

export function needOf(
  { level, spread, bySize, tellers = [], lack = 0 }: Need,
  sizes: InputSizes,
  inputBytes: number,
): NeedEstimate {
  const added = bySize === undefined ? 0 : addedBy(bySize, sizes, inputBytes);
  const most = mostBelieved(tellers) + Math.max(0, added);
  const bytes = (ln: number) => (level.n === 0 ? 0 : Math.exp(Math.min(most, ln + added)));
  return {
    p50Bytes: bytes(level.at + spread.p50),
    p90Bytes: bytes(level.at + spread.p90),
    lackBytes:
      lack > level.at + spread.p90 || (lack > 0 && level.n === 0)
        ? Math.round(Math.exp(Math.min(most, lack)))
        : 0,
    seen: level.n,
    teller: tellers.length === 1 ? tellers[0]?.[0] : undefined,
  };
}

/** ln of twice the second highest; no bound where there is no second. */
function mostBelieved(tellers: NonNullable<Need['tellers']>): number {
  if (tellers.length < 2) return Number.POSITIVE_INFINITY;
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [, high] of tellers) {
    second = Math.max(second, Math.min(first, high));
    first = Math.max(first, high);
  }
  return second + mostBeyond;
}

function tell(need: Need, worker: string, value: number): void {
  need.tellers ??= [];
  const { tellers } = need;
  const last = tellers.at(-1);
  const place = last?.[0] === worker ? tellers.length - 1 : tellers.findIndex(([id]) => id === worker);
  const found = tellers[place];
  if (found === undefined) {
    if (tellers.length === keptTellers) tellers.shift();
    tellers.push([worker, value]);
    return;
  }
  found[1] = value > found[1] ? value : found[1] + leastRate * (value - found[1]);
  if (place === tellers.length - 1) return;
  tellers.splice(place, 1);
  tellers.push(found);
}

function unknownNeed(): Need {
  return {
    level: unknownLevel(),
    spread: { ...unknownSpread(), scale: 0.2, p90: 0.2 },
    bySize: unknownBySize(),
    tellers: [],
    lack: 0,
    surprises: 0,
  };
}
