/** What a machine was measured to be, told in its report. */
import { z } from 'zod';

export const calibrationParts = [
  'cpuSingle',
  'cpuMulti',
  'memoryBytesPerS',
  'diskWriteBytesPerS',
  'diskReadBytesPerS',
] as const;

/** A part that could not be measured there is missing. */
export interface Measured {
  /** One thread, and all threads together: 1 is one thread of the reference machine. */
  readonly cpuSingle?: number | undefined;
  readonly cpuMulti?: number | undefined;
  /** That one thread copies. */
  readonly memoryBytesPerS?: number | undefined;
  /** In sequence, where the worker keeps its files: synced, and past the kernel's cache. */
  readonly diskWriteBytesPerS?: number | undefined;
  readonly diskReadBytesPerS?: number | undefined;
}

export interface Calibration extends Measured {
  /** When, by the clock of that machine. */
  readonly at: number;
}

const rate = z.number().min(0).max(1e15).optional();

export const calibrationSchema: z.ZodType<Calibration> = z.object({
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  cpuSingle: rate,
  cpuMulti: rate,
  memoryBytesPerS: rate,
  diskWriteBytesPerS: rate,
  diskReadBytesPerS: rate,
});
