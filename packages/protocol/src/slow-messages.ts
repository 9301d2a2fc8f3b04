/** Schemas of the session messages that travel by name: those a task does not cost. */
import { z } from 'zod';
import {
  attemptNoSchema,
  epochSchema,
  failureSchema,
  type Header,
  principalIdSchema,
  taskIdSchema,
} from './handshake.ts';
import { limits } from './limits.ts';
import type {
  Bye,
  Changed,
  Recall,
  Refused,
  Reply,
  Report,
  Request,
  Revoked,
  Served,
  VoucherMessage,
  Watch,
} from './messages.ts';
import { addressSchema, healthStateSchema, publishedPortSchema } from './service-state.ts';
import { workerReportSchema } from './worker-report.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Each is the header of its kind; `kind` itself travels before it. */
export const slowSchemas = {
  bye: z.object({}) satisfies Header<Bye>,
  voucher: z.object({ voucher: z.string().max(limits.voucherChars) }) satisfies Header<VoucherMessage>,
  refused: z.object({ seq: count.min(1), failure: failureSchema }) satisfies Header<Refused>,
  watch: z.object({
    tasks: z.array(taskIdSchema).max(limits.watchTasks),
    progress: z.boolean(),
  }) satisfies Header<Watch>,
  changed: z.object({
    task: taskIdSchema,
    state: z.enum(['waiting', 'leased', 'running']),
    attempt: attemptNoSchema,
    worker: z.string().max(limits.nameChars),
    workerName: z.string().max(limits.nameChars).optional(),
    addresses: z.array(addressSchema).max(limits.ports).optional(),
    health: healthStateSchema.optional(),
    fetched: z.object({ bytes: count, of: count }).optional(),
  }) satisfies Header<Changed>,
  request: z.object({
    id: count,
    op: z.string().min(1).max(64),
    args: z.unknown(),
  }) satisfies Header<Request>,
  reply: z.object({
    id: count,
    result: z.unknown(),
    failure: failureSchema.nullable(),
  }) satisfies Header<Reply>,
  served: z.object({
    task: taskIdSchema,
    attempt: attemptNoSchema,
    epoch: epochSchema,
    seq: count.min(1),
    ports: z.array(publishedPortSchema).max(limits.ports),
    health: healthStateSchema.nullable(),
  }) satisfies Header<Served>,
  recall: z.object({
    task: taskIdSchema,
    attempt: attemptNoSchema,
    epoch: epochSchema,
  }) satisfies Header<Recall>,
  revoked: z.object({
    principals: z.array(principalIdSchema).max(limits.revokedTold),
  }) satisfies Header<Revoked>,
  report: z.object({ seq: count.min(1), report: workerReportSchema }) satisfies Header<Report>,
};
