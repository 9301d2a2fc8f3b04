/** What a machine is short of or troubled by for a while, told in its report: new work keeps off until it ends. */
import { formatDuration } from './units.ts';

export interface Pressure {
  /** `low disk`, `hot`. */
  readonly name: string;
  /** How long it had lasted when it was told, by a clock that does not jump. */
  readonly forMs: number;
  /** What was found, and what ends it. */
  readonly words: string;
}

/** Of the machine; one that is of a single device is told with the device, and stops only that. */
export interface MachinePressure extends Pressure {
  /** Kinds of tasks the machine gets none of meanwhile; empty: it is only told. */
  readonly stops: readonly string[];
}

/** `low disk since 3 m 20 s: 1.2 GiB free of 100 GiB, takes new work above 2 GiB` */
export function pressureWords({ name, forMs, words }: Pressure): string {
  return `${name} since ${formatDuration(forMs)}: ${words}`;
}
