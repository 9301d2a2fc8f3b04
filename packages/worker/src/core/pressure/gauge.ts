/**
 * Hysteresis: whether something presses, from one reading to the next, so that what wavers at a threshold does not flap.
 *
 * 1. It begins when readings have been `pressed` for `beginMs` without another between them, and ends when they have
 *    been `eased` for `endMs` without another between them.
 * 2. A reading `between` the two thresholds changes nothing.
 */

export type Level = 'pressed' | 'between' | 'eased';

export interface Holds {
  /** 0: the first reading is enough. */
  readonly beginMs: number;
  readonly endMs: number;
}

export interface Gauge {
  /** The first of the readings that made it begin; null: nothing presses. */
  readonly sinceMono: number | null;
  /** The first of the readings that ask for the other state; null: the last did not. */
  readonly turningMono: number | null;
}

export const atRest: Gauge = { sinceMono: null, turningMono: null };

export function readGauge(
  { sinceMono, turningMono }: Gauge,
  level: Level,
  mono: number,
  holds: Holds,
): Gauge {
  const presses = sinceMono !== null;
  if (level !== (presses ? 'eased' : 'pressed')) return { sinceMono, turningMono: null };
  const turning = turningMono ?? mono;
  if (mono - turning < (presses ? holds.endMs : holds.beginMs)) return { sinceMono, turningMono: turning };
  return { sinceMono: presses ? null : turning, turningMono: null };
}

/** For amounts of which there is too little: pressed below `least`, eased from `enough` on. */
export function levelOf(has: number, least: number, enough: number): Level {
  if (has < least) return 'pressed';
  return has < enough ? 'between' : 'eased';
}
