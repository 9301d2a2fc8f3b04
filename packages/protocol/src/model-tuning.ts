/**
 * Settings of a model's instances that were measured on a worker, and are kept for it (E39).
 *
 * 1. A *trial* is a model for the length of one measure: the file of another one, on one worker, served in one way. It is
 *    there for its client alone, and goes with it.
 * 2. A *tuning* is what measures found best on one seat: a device of a worker, those it is divided over, or the host. It is in force as long as the
 *    model, the engines and the machine are what they were then.
 */
import { z } from 'zod';
import { limits } from './limits.ts';
import { servingSchema } from './model-serving.ts';
import { deviceUuid } from './worker-report.ts';

const place = z.string().min(1).max(limits.nameChars);

/** What makes a model a trial. */
export const trialSchema = z.object({
  /** The model that is measured. */
  of: z.string().min(1).max(limits.modelNameChars),
  /** The only worker that it is loaded on. */
  worker: place,
  /** Who measures: the broker writes it. */
  client: z.string().max(2048).optional(),
});

const perS = z.number().min(0).max(1e9);
/** Of a round: as many requests at a time as were asked, until the last is answered. */
const speedsSchema = z.object({
  roundMs: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
  promptTokensPerS: perS,
  /** 0 where the model writes nothing. */
  outputTokensPerS: perS,
  /** Until one of its requests was answered, in the middle; who measured with an older version does not tell. */
  requestMs: z.number().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});
export type RoundSpeeds = z.infer<typeof speedsSchema>;

export const tuningFoundSchema = z.object({
  /** Of the worker that was measured, on all of which together it was; none: its host. */
  devices: z.array(deviceUuid).max(limits.devices),
  serving: servingSchema,
  /** The median of its rounds, and that of how it would be served otherwise. */
  best: speedsSchema,
  untuned: speedsSchema,
  /** Requests at a time in each round. */
  load: z.number().int().min(1).max(limits.instanceSlots),
  /** Of each request to one that embeds or ranks: texts, or documents; who measured with an older version does not tell. */
  texts: z.number().int().min(1).max(limits.requestTexts).optional(),
  /** Settings that were measured. */
  trials: z.number().int().min(1).max(1000),
});
export type TuningFound = z.infer<typeof tuningFoundSchema>;

/** Devices that a model is divided over are one seat, in whatever order; none is the host. */
export function isSameSeat(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((device) => other.includes(device));
}

/** As the broker keeps it. */
export interface Tuning extends TuningFound {
  readonly worker: string;
  /** How the model was to be served then. */
  readonly of: z.infer<typeof servingSchema>;
  /** What it was measured by, in words. */
  readonly engines: string;
  readonly machine: string;
  /** Principal; wall ms. */
  readonly by: string;
  readonly at: number;
}

export interface TuningDocument extends Tuning {
  readonly workerName: string;
  /** Why instances are not begun so any more; '' while they are. */
  readonly stale: string;
}

/** Keeps what was found for this worker, or forgets what is kept: of this worker, or without one of all. */
export const tuneModelSchema = z
  .object({
    name: z.string().min(1).max(limits.modelNameChars),
    worker: place.optional(),
    found: tuningFoundSchema.optional(),
  })
  .refine(({ worker, found }) => found === undefined || worker !== undefined, {
    path: ['worker'],
    message: 'expected the one that it was found on',
  });
