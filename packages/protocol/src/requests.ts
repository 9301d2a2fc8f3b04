/** The operations of `request` messages: what each takes and answers. */
import { z } from 'zod';
import { artifactDigest } from './artifact.ts';
import { type CollectionDocument, collectionRequestSchemas } from './collection-shards.ts';
import type {
  CheckDocument,
  ExplainDocument,
  NodeDocument,
  PrincipalDocument,
  StandingDocument,
  StatusDocument,
  TaskDocument,
  TicketDocument,
} from './documents.ts';
import type {
  ArtifactGrantDocument,
  GrantDocument,
  KeepGrantDocument,
  PlaceGrantDocument,
} from './grant-documents.ts';
import { base64url, principalIdSchema } from './handshake.ts';
import { parseRefusalId, type RefusalId, type TaskId } from './ids.ts';
import { limits } from './limits.ts';
import { type EnrolledRole, enrolledRoles } from './messages.ts';
import { type ModelDocument, type ModelPlanDocument, modelRequestSchemas } from './model.ts';
import type { PastTaskPage } from './past-task.ts';
import { type PolicyDocument, policyEvidenceSchema, policyPartsSchema } from './placement-policy.ts';
import { envelopeSchema } from './task-spec.ts';

const taskId = z
  .number()
  .int()
  .min(1)
  .max(Number.MAX_SAFE_INTEGER)
  .transform((id) => id as TaskId);
const refusalName = z
  .string()
  .refine((text) => parseRefusalId(text) !== undefined, 'expected a refusal such as r3.17')
  .transform((text) => text as RefusalId);
const oneTask = z.object({ task: taskId });
/** In Z85. */
const curveKey = z.string().length(40);
const policyVersion = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const oneNode = z.object({ node: z.string().min(1).max(limits.nameChars) });

export const requestSchemas = {
  /** Newest first; of more than `limit` that live, those that run before those that wait. `all`: ended ones too. */
  ps: z.object({
    all: z.boolean().default(false),
    limit: z.number().int().min(1).max(limits.queryRows).default(100),
  }),
  show: oneTask,
  /** Of a task, or of a submission that was refused as impossible. */
  explain: z.union([oneTask, z.object({ refusal: refusalName })]),
  /** Where a task would be placed now; nothing is placed. */
  dryRun: z.object({ envelope: envelopeSchema }),
  nodes: z.object({}),
  status: z.object({}),
  /** `kept`: who asks reads what is kept beside the broker, too. */
  logs: oneTask.extend({ kept: z.boolean().optional() }),
  /** Permission to run a command beside a running task's own. */
  exec: oneTask,
  /** Permission to bring one image to a worker. */
  pushImage: oneNode,
  /** Permission to have an artifact that the task is given, or has left; a worker asks for its own attempts. */
  fetch: oneTask.extend({ artifact: artifactDigest }),
  /** Permission to bring one to the broker's store: to submit a task with it, or (a worker, with `task`) what a task left. */
  store: z.object({ artifact: artifactDigest, task: taskId.optional() }),
  /** Permission for a worker to have logs of its attempts kept beside the broker. */
  keepLogs: z.object({}),
  /** Permission for a worker to be had through the relay beside the broker. */
  relay: z.object({}),
  /** Envelope and body, to submit it again. */
  spec: oneTask,
  cancel: oneTask,
  /** `deadlineMs`: from when the order is taken up until what still runs there is stopped. Older brokers pass over it. */
  drain: oneNode.extend({
    draining: z.boolean(),
    deadlineMs: z.number().int().min(0).max(limits.drainDeadlineMs).optional(),
  }),
  /**
   * A drain that begins at `at` (wall ms) or `inMs` from when the order is taken up (neither: then), and ends after `forMs` by
   * itself; without, when the node is resumed. `window`: its name, made by who asks: of one that is known nothing is done twice.
   */
  planDrain: oneNode.extend({
    window: z.string().regex(/^[0-9a-z]{8,16}$/),
    at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    inMs: z.number().int().min(0).max(limits.windowAheadMs).optional(),
    forMs: z.number().int().min(1).max(limits.windowMs).optional(),
    deadlineMs: z.number().int().min(0).max(limits.drainDeadlineMs).optional(),
  }),
  removeNode: oneNode,
  /** The placement policy in force, how it came to be, and what became of tasks since. */
  policy: z.object({}),
  /** Tasks that ended well, newest first; of each page's looks at ended tasks only these are answered. */
  pastTasks: z.object({
    before: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    limit: z.number().int().min(1).max(limits.queryRows).default(limits.queryRows),
  }),
  /** Another placement policy, for that of version `from`. */
  promotePolicy: z.object({ from: policyVersion, parts: policyPartsSchema, evidence: policyEvidenceSchema }),
  /** The placement policy that was in force before that of version `from`. */
  rollBackPolicy: z.object({ from: policyVersion }),
  /** A new key that may let one key in, as `role`, for `ttlMs`. Its secret half is nobody's but the asker's. */
  createTicket: z.object({
    key: base64url,
    curveKey,
    role: z.enum(enrolledRoles),
    ttlMs: z.number().int().min(limits.leastTicketMs).max(limits.ticketMs),
  }),
  /**
   * Tells members that the broker has a new key, other addresses, or both, and has it act by that; without `after` it only tells what
   * stands. `after`: the serial of what the asker knows; of what has been announced since nothing is done twice.
   */
  announce: z.object({
    after: z.number().int().min(0).optional(),
    newKey: z.boolean().default(false),
    brokers: z.array(z.string().max(limits.endpointChars)).min(1).max(limits.brokers).optional(),
  }),
  /** Checks the broker's home while it runs: minutes, of a large one. */
  fsck: z.object({}),
  /** Persons and services, those seen last first. */
  principals: z.object({ limit: z.number().int().min(1).max(limits.queryRows).default(limits.queryRows) }),
  /** Its key enters no more, and its sessions end; what it has submitted stays. */
  revokePrincipal: z.object({ principal: principalIdSchema }),
  /** Those that are good still. */
  tickets: z.object({}),
  revokeTicket: z.object({ ticket: z.string().regex(/^ticket-[0-9a-f]{16}$/, 'expected a ticket’s id') }),
  /** Asked with a ticket: let this key in. `signature` is that key's (runtime/ticket). */
  enrol: z.object({
    key: base64url,
    curveKey,
    name: z.string().min(1).max(limits.nameChars),
    signature: base64url,
  }),
  ...modelRequestSchemas,
  ...collectionRequestSchemas,
} as const;

export type Operation = keyof typeof requestSchemas;
export type RequestArgs<O extends Operation> = z.infer<(typeof requestSchemas)[O]>;

export interface RequestResults {
  ps: readonly TaskDocument[];
  show: TaskDocument;
  explain: ExplainDocument;
  dryRun: ExplainDocument;
  nodes: readonly NodeDocument[];
  status: StatusDocument;
  logs: GrantDocument;
  exec: GrantDocument;
  pushImage: PlaceGrantDocument;
  fetch: ArtifactGrantDocument;
  store: ArtifactGrantDocument;
  keepLogs: KeepGrantDocument;
  relay: KeepGrantDocument;
  spec: { readonly envelope: Uint8Array; readonly body: Uint8Array };
  cancel: TaskDocument;
  drain: NodeDocument;
  planDrain: NodeDocument;
  removeNode: { readonly removed: string };
  policy: PolicyDocument;
  pastTasks: PastTaskPage;
  promotePolicy: PolicyDocument;
  rollBackPolicy: PolicyDocument;
  /** `endpoints`: where other machines may find this broker, by what it listens at; none if at this machine's sockets alone. */
  createTicket: { readonly endpoints: readonly string[]; readonly expiresAt: number };
  principals: readonly PrincipalDocument[];
  revokePrincipal: { readonly revoked: string };
  tickets: readonly TicketDocument[];
  revokeTicket: { readonly revoked: string };
  enrol: { readonly role: EnrolledRole };
  fsck: CheckDocument;
  announce: StandingDocument;
  models: readonly ModelDocument[];
  addModel: ModelDocument;
  removeModel: { readonly removed: string };
  planModel: ModelPlanDocument;
  loadModel: ModelDocument;
  unloadModel: ModelDocument;
  tuneModel: ModelDocument;
  answers: PlaceGrantDocument;
  /** By name. */
  collections: readonly CollectionDocument[];
  placeCollection: CollectionDocument;
  moveShard: CollectionDocument;
}

export function isOperation(name: string): name is Operation {
  return Object.hasOwn(requestSchemas, name);
}
