/** What every benchmark is: a name, what it measures in one sentence, and a run that gives rows. */
import type { Row } from './row.ts';
import type { Scale } from './scale.ts';

export interface Setting {
  readonly scale: Scale;
  /** Progress, for the person who waits; rows go to stdout. */
  readonly say: (words: string) => void;
  /** Each process of the grid writes a CPU profile there. */
  readonly profileDir?: string | undefined;
}

export interface Benchmark {
  readonly name: string;
  readonly about: string;
  readonly run: (setting: Setting) => Promise<readonly Row[]>;
}
