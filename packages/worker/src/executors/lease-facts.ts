/** What of a lease is kept beside an attempt for a later life of the worker, as it is read again. */
import { limits, reservationSchema, taskKinds } from '@gryphgen/protocol';
import { z } from 'zod';

const whole = z.number().int().min(0);

export const leaseFactsSchema = z.object({
  kind: z.enum(taskKinds),
  reservation: reservationSchema,
  timeoutMs: whole,
  onLinkLost: z.enum(['move', 'wait']),
  stopGraceMs: whole.max(limits.stopGraceMs).optional(),
});
