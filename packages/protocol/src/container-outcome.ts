/** What a container's executor tells of an attempt beside how it ended: kept with the task. */
import { z } from 'zod';
import { decodeBody } from './body.ts';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const containerOutcomeSchema = z.object({
  image: z.object({
    /** The engine's id of the image that ran. */
    id: digest,
    /** By which a registry knows it, if it came from one. */
    digest: digest.optional(),
  }),
});
export type ContainerOutcome = z.infer<typeof containerOutcomeSchema>;

/** Undefined when there is none, or a worker made it up. */
export function readContainerOutcome(bytes: Uint8Array): ContainerOutcome | undefined {
  const read = decodeBody(bytes);
  return read.ok ? containerOutcomeSchema.safeParse(read.value).data : undefined;
}
