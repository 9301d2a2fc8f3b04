/**
 * A task as it travels: an *envelope*, which the broker decodes, checks and schedules by, and a *body*, which only the
 * executor reads. Both are content-addressed. Equal envelopes are interned, so a million tasks of one shape cost one.
 */
import { z } from 'zod';
import { type ArtifactRef, artifactRefSchema, fileFields } from './artifact.ts';
import { type ShardName, shardNameSchema } from './collection-shards.ts';
import { clashOf, placesOf } from './container-body.ts';
import { limits } from './limits.ts';
import { type Needs, needsSchema } from './needs.ts';
import type { Resources } from './resources.ts';
import { labelMap } from './string-map.ts';
import { argument, environment } from './task-text.ts';
import { deviceUuid } from './worker-report.ts';

export const taskKinds = [
  'container',
  'process',
  'infer',
  'embed',
  'rerank',
  'retrieve',
  'ingest',
  'noop',
  'instance',
] as const;
export type TaskKind = (typeof taskKinds)[number];

/** `move`: the worker stops it when its lease runs out and it is tried elsewhere. `wait`: it runs on, the broker waits. */
export type OnLinkLost = 'move' | 'wait';

/** From the request to end to the kill, of a task that says nothing of it; what `docker stop` gives. */
export const defaultStopGraceMs = 10_000;

/** When a task is begun again without limit: after a failure of its execution; `always`: also after exit code 0. */
export const restartRules = ['on-failure', 'always'] as const;
export type RestartRule = (typeof restartRules)[number];

export interface Envelope {
  readonly kind: TaskKind;
  readonly name: string;
  readonly resources: Resources;
  /** Journaled and kept over restarts; false: gone with an error when the broker dies. */
  readonly durable: boolean;
  /** -100..100, higher first. */
  readonly priority: number;
  /** Tries after the first that fail in `execution.*`; the wait doubles from `backoffMs`. */
  readonly retries: { readonly limit: number; readonly backoffMs: number };
  /** Instead of `retries.limit`; the wait doubles all the same. */
  readonly restart?: RestartRule;
  /** Longest run of one attempt; 0 means no limit. */
  readonly timeoutMs: number;
  /** Longest wait for a place; 0 means no limit. */
  readonly queueTimeoutMs: number;
  readonly onLinkLost: OnLinkLost;
  readonly labels: Readonly<Record<string, string>>;
  readonly constraints: { readonly worker?: string; readonly labels: Readonly<Record<string, string>> };
  /** Image a container task needs: known to the scheduler for warmth. */
  readonly image?: string;
  /** Its attempts may be ended for a task of higher priority; without it: if it is to be tried again (retries.limit), and moves. */
  readonly preemptible?: boolean;
  /** From the request to end to the kill, after a cancel or a timeout; without it 10 s. */
  readonly stopGraceMs?: number;
  readonly needs?: Needs;
  /** What it is given: kept for it until it ends. */
  readonly inputs?: readonly ArtifactRef[];
  /** Of `infer`, `embed` and `rerank`: where an instance of it is; of `instance`: which it is. */
  readonly model?: string;
  /** Of an ephemeral one: of use to nobody but who submits it; it is ended when that one is gone (E37). */
  readonly attended?: boolean;
  /** Of an attended one that asks a model: its slot is lent to who asks, who may ask more there when it is answered (E41). */
  readonly loan?: boolean;
  /** Of an ephemeral one: for whom its principal asks, such as the key of an API. Those of one principal take turns. */
  readonly party?: string;
  /** Hashes of ever longer beginnings of its prompt: it goes where they are known, among workers that are as good. */
  readonly prefix?: readonly string[];
  /** How long that is, as its server is sent it, and its answer at most: it goes where it is expected to end first. */
  readonly asks?: { readonly promptBytes: number; readonly maxTokens?: number | undefined };
  /** Tasks of one class are expected to run alike; without it, those of one kind and image. */
  readonly taskClass?: string;
  /** Of `ingest` and `retrieve`: it goes to that shard's owner, and waits for it (E40). */
  readonly shard?: ShardName;
}

export const taskClassWords = `1 to ${limits.taskClassChars} printable ASCII characters, no space at either end`;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const device = {
  minComputeCapability: z.number().int().min(1).max(999).optional(),
  name: z.string().min(1).max(128).optional(),
  uuid: deviceUuid.optional(),
};

export const resourcesSchema: z.ZodType<Resources> = z.object({
  cpuMilli: count.max(10_000_000),
  memoryBytes: count,
  diskBytes: count,
  gpu: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('whole'), count: z.number().int().min(1).max(64), ...device }),
      z.object({ kind: z.literal('part'), vramBytes: count.min(1), ...device }),
      z.object({
        kind: z.literal('parts'),
        parts: z
          .array(z.object({ uuid: deviceUuid, vramBytes: count.min(1) }))
          .min(1)
          .max(limits.modelDevices)
          .refine((parts) => new Set(parts.map(({ uuid }) => uuid)).size === parts.length, {
            message: 'expected each device once',
          }),
      }),
    ])
    .optional(),
});

export const envelopeSchema: z.ZodType<Envelope> = z.object({
  kind: z.enum(taskKinds),
  name: z.string().max(limits.nameChars),
  resources: resourcesSchema,
  durable: z.boolean(),
  priority: z.number().int().min(-100).max(100),
  retries: z.object({ limit: z.number().int().min(0).max(limits.retries), backoffMs: count.max(86_400_000) }),
  restart: z.enum(restartRules).optional(),
  timeoutMs: count,
  queueTimeoutMs: count,
  onLinkLost: z.enum(['move', 'wait']),
  labels: labelMap,
  constraints: z.object({ worker: z.string().min(1).max(limits.nameChars).optional(), labels: labelMap }),
  image: z.string().min(1).max(512).optional(),
  preemptible: z.boolean().optional(),
  stopGraceMs: count.max(limits.stopGraceMs).optional(),
  needs: needsSchema.optional(),
  inputs: z.array(artifactRefSchema).max(limits.inputs).optional(),
  model: z.string().min(1).max(limits.modelNameChars).optional(),
  attended: z.boolean().optional(),
  loan: z.boolean().optional(),
  party: z.string().min(1).max(limits.partyChars).optional(),
  prefix: z.array(z.string().min(1).max(32)).max(limits.prefixes).optional(),
  asks: z
    .object({
      promptBytes: count.max(limits.questionBytes),
      maxTokens: count.max(2 ** 31 - 1).optional(),
    })
    .optional(),
  taskClass: z.string().refine(isTaskClass, `expected ${taskClassWords}`).optional(),
  shard: shardNameSchema.optional(),
});

/** It is printed, journaled and compared: plain and short. */
export function isTaskClass(name: string): boolean {
  return name.length <= limits.taskClassChars && /^[!-~](?:[ -~]*[!-~])?$/.test(name);
}

export const processBodySchema = z
  .object({
    /** argv; no shell is involved unless it names one. */
    command: z.array(argument).min(1).max(4096),
    env: environment.default({}),
    workdir: z.string().max(4096).startsWith('/').optional(),
    ...fileFields,
  })
  .superRefine((body, context) => {
    const clash = clashOf(placesOf(body));
    if (clash !== undefined) context.addIssue({ code: 'custom', message: clash.words });
  });
export type ProcessBody = z.infer<typeof processBodySchema>;

/** For benchmarks and tests of the grid itself: succeeds after `sleepMs`. */
export const noopBodySchema = z.object({ sleepMs: count.max(86_400_000).default(0) });
export type NoopBody = z.infer<typeof noopBodySchema>;

export const envelopeDefaults: Omit<Envelope, 'kind'> = {
  name: '',
  resources: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0 },
  durable: true,
  priority: 0,
  retries: { limit: 0, backoffMs: 1000 },
  timeoutMs: 0,
  queueTimeoutMs: 0,
  onLinkLost: 'move',
  labels: {},
  constraints: { labels: {} },
};
