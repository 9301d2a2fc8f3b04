/** What a machine was measured to be, told in its report. */
import { z } from 'zod';
import { limits } from './limits.ts';

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

/** The seat that is no device of a machine. */
export const hostSeat = 'host';

/** How fast llama.cpp computes on one seat, measured with a model that was there. */
export interface ModelRate {
  /** The uuid of a device, or `hostSeat`. */
  readonly seat: string;
  /** Of those weights that each token reads, one token after the other. */
  readonly weightsBytesPerS: number;
  readonly promptTokensPerS: number;
  /** Its version, and how large the model was: by what it was measured. */
  readonly engine: string;
  readonly modelBytes: number;
}

export interface Calibration extends Measured {
  /** When, by the clock of that machine. */
  readonly at: number;
  /** Each seat once; missing before any was measured. */
  readonly models?: readonly ModelRate[] | undefined;
}

const rate = z.number().min(0).max(1e15).optional();

const modelRate = z.object({
  seat: z.string().min(1).max(limits.uuidChars),
  weightsBytesPerS: z.number().min(0).max(1e15),
  promptTokensPerS: z.number().min(0).max(1e15),
  engine: z.string().max(64),
  modelBytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});

export const calibrationSchema: z.ZodType<Calibration> = z.object({
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  cpuSingle: rate,
  cpuMulti: rate,
  memoryBytesPerS: rate,
  diskWriteBytesPerS: rate,
  diskReadBytesPerS: rate,
  models: z
    .array(modelRate)
    .max(limits.devices + 1)
    .optional(),
});
