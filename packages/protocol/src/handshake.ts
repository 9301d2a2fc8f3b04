/** Schemas of what is said before a session exists, and of the machine a worker says it is. */
import { z } from 'zod';
import type { FailureCode } from './failure.ts';
import { failureCodes } from './failure.ts';
import type { AttemptNo, ClientId, Epoch, PrincipalId, TaskId } from './ids.ts';
import { limits } from './limits.ts';
import type {
  AttemptReport,
  Challenge,
  Hello,
  HelloAgain,
  JournalHead,
  Knock,
  PeerHello,
  Refusal,
  Welcome,
} from './messages.ts';
import { roles } from './messages.ts';
import type { DeviceShare, Reservation } from './resources.ts';
import { deviceUuid, workerReportSchema } from './worker-report.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const name = z.string().max(limits.nameChars);
/** Base64url of keys (43), nonces (43) and signatures (86). */
export const base64url = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/, 'expected base64url');

export const taskIdSchema: z.ZodType<TaskId> = count.min(1).transform((id) => id as TaskId);
export const attemptNoSchema: z.ZodType<AttemptNo> = count.transform((no) => no as AttemptNo);
export const epochSchema: z.ZodType<Epoch> = count.transform((epoch) => epoch as Epoch);
export const principalIdSchema: z.ZodType<PrincipalId> = z
  .string()
  .regex(/^p-[0-9a-f]{16}$/, 'expected a principal such as p-0123456789abcdef')
  .transform((id) => id as PrincipalId);
export const failureSchema = z.object({
  code: z.enum(failureCodes) satisfies z.ZodType<FailureCode>,
  message: z.string().max(limits.messageChars),
});

const deviceShareSchema: z.ZodType<DeviceShare> = z.object({
  uuid: deviceUuid,
  vramBytes: count,
  whole: z.boolean(),
});
export const reservationSchema: z.ZodType<Reservation> = z.object({
  cpuMilli: count,
  memoryBytes: count,
  diskBytes: count,
  devices: z.array(deviceShareSchema).max(limits.devices),
});

export const journalHeadSchema: z.ZodType<JournalHead> = z.object({
  seq: count,
  digest: z
    .string()
    .max(64)
    .regex(/^[0-9a-f]*$/, 'expected hex'),
});

const attemptReportSchema: z.ZodType<AttemptReport> = z.object({
  task: taskIdSchema,
  attempt: attemptNoSchema,
  epoch: epochSchema,
  phase: z.enum(['held', 'running', 'ended']),
  reservation: reservationSchema,
});

/** Bytes that one listed attempt takes in a hello, never too few. */
export function attemptReportBytes({ reservation }: Pick<AttemptReport, 'reservation'>): number {
  return reservation.devices.reduce((sum, { uuid }) => sum + shareBytes + uuid.length, bareAttemptBytes);
}

const bareAttemptBytes = 144;
const shareBytes = 34;

const peerHelloSchema: z.ZodType<PeerHello> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('client'),
    client: z
      .string()
      .min(1)
      .max(64)
      .transform((id) => id as ClientId),
  }),
  z.object({
    kind: z.literal('worker'),
    boot: z.string().min(1).max(64),
    report: workerReportSchema,
    attempts: z
      .array(attemptReportSchema)
      .max(limits.attemptsListed)
      .refine(
        (attempts) => attempts.reduce((sum, one) => sum + attemptReportBytes(one), 0) <= limits.heldBytes,
        {
          message: `at most ${limits.heldBytes} bytes`,
        },
      ),
    head: journalHeadSchema.nullable(),
  }),
]);

const timers = z.object({
  heartbeatMs: count.min(1),
  leaseMs: count.min(1),
  graceMs: count.min(1),
  tickMs: count.min(1),
});

/** Each is the header of its kind; `kind` itself travels before it. */
export const handshakeSchemas = {
  knock: z.object({ versions: z.array(count).max(32) }) satisfies Header<Knock>,
  challenge: z.object({ nonce: base64url, grid: name, version: count }) satisfies Header<Challenge>,
  hello: z.object({
    nonce: base64url,
    key: base64url,
    role: z.enum(roles),
    signature: base64url,
    product: z.string().max(64),
    peer: peerHelloSchema,
    actsFor: principalIdSchema.optional(),
  }) satisfies Header<Hello>,
  welcome: z.object({
    session: z.string().min(1).max(limits.sessionChars),
    epoch: epochSchema,
    timers,
    credit: count,
    principal: name,
    wallMs: count.optional(),
  }) satisfies Header<Welcome>,
  refusal: z.object({ failure: failureSchema }) satisfies Header<Refusal>,
  helloAgain: z.object({}) satisfies Header<HelloAgain>,
};

/** A schema of everything of the message but its kind. */
export type Header<M> = z.ZodType<Omit<M, 'kind'>>;
