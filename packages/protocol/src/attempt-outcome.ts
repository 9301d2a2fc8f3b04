/** What an executor tells of an attempt beside how it ended: kept with the task. */
import { z } from 'zod';
import { artifactRefSchema } from './artifact.ts';
import { decodeBody } from './body.ts';
import { limits } from './limits.ts';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const attemptOutcomeSchema = z.object({
  /** Of a container. */
  image: z
    .object({
      /** The engine's id of the image that ran. */
      id: digest,
      /** By which a registry knows it, if it came from one. */
      digest: digest.optional(),
    })
    .optional(),
  /** What it was to leave, where it says so; `copied`: it is beside the broker, too. */
  outputs: z
    .array(artifactRefSchema.extend({ path: z.string().max(limits.outputChars), copied: z.boolean() }))
    .max(limits.outputs)
    .optional(),
  /** Of a call (`retrieve`, `ingest`): what it answered, in JSON. */
  result: z.instanceof(Uint8Array).optional(),
});
export type AttemptOutcome = z.infer<typeof attemptOutcomeSchema>;
export type TaskOutput = NonNullable<AttemptOutcome['outputs']>[number];

/** Undefined when there is none, or a worker made it up. */
export function readOutcome(bytes: Uint8Array): AttemptOutcome | undefined {
  const read = decodeBody(bytes);
  if (!read.ok) return undefined;
  return isAnswer(read.value) ? read.value : attemptOutcomeSchema.safeParse(read.value).data;
}

/** A call's, as each question's is: nothing of it is left for the schema to judge. */
function isAnswer(value: unknown): value is { readonly result: Uint8Array<ArrayBuffer> } {
  if (typeof value !== 'object' || value === null || !('result' in value)) return false;
  return value.result instanceof Uint8Array && Object.keys(value).length === 1;
}
