/**
 * Models that the grid serves, and what is asked of them.
 *
 * 1. A model is a name, its file by content, and how it is to be served. An *instance* is a model loaded on a worker: a task
 *    of kind `instance` that the broker submits and ends by itself, so that what it holds of a machine is in the one ledger.
 * 2. `infer`, `embed` and `rerank` tasks name their model in the envelope, are placed where an instance of it has a free
 *    slot, and carry the request as the HTTP body that llama-server takes.
 */
import { z } from 'zod';
import { artifactRefSchema } from './artifact.ts';
import { limits } from './limits.ts';
import { modelDescriptionSchema } from './model-description.ts';
import { servingSchema } from './model-serving.ts';
import { type TuningDocument, trialSchema, tuneModelSchema } from './model-tuning.ts';
import { deviceUuid } from './worker-report.ts';

export const modelNameWords = `1 to ${limits.modelNameChars} of letters, digits, ".", "_", ":" and "-", a letter or digit first`;

export function isModelName(name: string): boolean {
  return name.length <= limits.modelNameChars && /^[A-Za-z0-9][\w.:-]*$/.test(name);
}

export const modelName = z.string().refine(isModelName, `expected ${modelNameWords}`);

/** What a model is for, which decides how its server is started and which kind of task asks it. */
export const modelUses = ['infer', 'embed', 'rerank'] as const;
export type ModelUse = (typeof modelUses)[number];

/** Whether tasks of this kind are requests: each is answered by an instance of the model that its envelope names. */
export function asksModel(kind: string): kind is ModelUse {
  return (modelUses as readonly string[]).includes(kind);
}

const ms = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const prefix = z.string().max(limits.textPrefixChars);
/** What a model that embeds was trained to see before a text, by what the text is. */
export const textPrefixesSchema = z.object({ query: prefix, passage: prefix });
export type TextPrefixes = z.infer<typeof textPrefixesSchema>;

/** Where instances are to be and nowhere else; a card alone says its machine, too. */
const modelPlaceSchema = z
  .object({
    /** Its id, or what the broker calls it. */
    worker: z.string().min(1).max(limits.nameChars).optional(),
    device: deviceUuid.optional(),
  })
  .refine(({ worker, device }) => worker !== undefined || device !== undefined, {
    message: 'expected a worker, a device, or both',
  });
export type ModelPlace = z.infer<typeof modelPlaceSchema>;

/** As its owner describes it. */
export const modelSpecSchema = z.object({
  name: modelName,
  use: z.enum(modelUses),
  /** One file, or a folder of split files of which `file` is the first; ''  of one file. */
  artifact: artifactRefSchema,
  file: z
    .string()
    .max(256)
    .regex(/^[^/\0]*$/, 'expected a file name'),
  description: modelDescriptionSchema,
  serving: servingSchema,
  /** Instances that are there with nobody asking, and at most. */
  replicas: z.object({
    min: z.number().int().min(0).max(limits.replicas),
    max: z.number().int().min(1).max(limits.replicas),
  }),
  /** An instance beyond `replicas.min` that nobody asks for so long is unloaded. */
  idleMs: ms,
  pinned: modelPlaceSchema.optional(),
  /** Of one that embeds; missing: nothing stands before a text. Who asks puts them there. */
  prefixes: textPrefixesSchema.optional(),
  /** Of one that is there to be measured. */
  trial: trialSchema.optional(),
});
export type ModelSpec = z.infer<typeof modelSpecSchema>;

const layers = z.number().int().min(0).max(2048);

/** An attempt of kind `instance`: what its worker starts. */
export const instanceBodySchema = z.object({
  model: modelName,
  use: z.enum(modelUses),
  serving: servingSchema,
  file: z.string().max(256),
  inputs: z.array(artifactRefSchema.extend({ to: z.literal('/model') })).length(1),
  /** Layers on all devices, the output included; 0: the host computes alone. */
  deviceLayers: layers,
  /** The only one, or the first. */
  device: deviceUuid.optional(),
  /** Of more than one: each with how many of those layers, in the order in which layers go on them. */
  divided: z
    .array(z.object({ device: deviceUuid, layers: layers.min(1) }))
    .min(2)
    .max(limits.modelDevices)
    .optional(),
});
export type InstanceBody = z.infer<typeof instanceBodySchema>;

/** What of llama-server's API is asked, by the kind of task that asks it. */
export const modelPaths = {
  infer: [
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/responses',
    '/v1/messages',
    '/infill',
    '/apply-template',
    '/tokenize',
  ],
  embed: ['/v1/embeddings'],
  rerank: ['/v1/rerank'],
} as const;
export type ModelPath = (typeof modelPaths)[ModelUse][number];
const allPaths = Object.values(modelPaths).flat() as [ModelPath, ...ModelPath[]];

/** Made by who asks: unguessable, and theirs alone. */
export const channelId = z
  .string()
  .regex(/^[\w-]{22,64}$/, 'expected 22 to 64 of A-Z, a-z, 0-9, "_" and "-"');

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

/** Body of `infer`, `embed` and `rerank` tasks. */
export const inferBodySchema = z
  .object({
    path: z.enum(allPaths),
    /** JSON, passed on as it is. */
    request: bytes.optional(),
    /** Of a request that is too long for a body: the attempt is sent it by its channel, once it wants it. */
    requestBytes: z.number().int().min(1).max(limits.questionBytes).optional(),
    /** Where the answer goes, piece by piece (E33); without, it is the task's result, if that holds it. */
    channel: channelId.optional(),
    /** Of an answer to a channel: how much is held for who takes it. Who says so asks for half of it anew when that was taken. */
    holdBytes: z
      .number()
      .int()
      .min(64 * 1024)
      .optional(),
    /** Its slot is lent: once it is answered, the channel may bring more, to the same path (E41). */
    loan: z.literal(true).optional(),
    /** And who asked would ask its server straight, should that be where they are: a mark of that machine's boot and user (E42). */
    door: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits')
      .optional(),
  })
  .refine(({ request, requestBytes }) => (request === undefined) !== (requestBytes === undefined), {
    path: ['request'],
    message: 'expected it, or its length in requestBytes',
  })
  .refine(({ loan, channel }) => loan === undefined || channel !== undefined, {
    path: ['channel'],
    message: 'expected one, by which those come that are asked where a slot is lent',
  })
  .refine(({ requestBytes, channel }) => requestBytes === undefined || channel !== undefined, {
    path: ['channel'],
    message: 'expected one, by which so long a request comes',
  });
export type InferBody = z.infer<typeof inferBodySchema>;

const tokens = z.number().int().min(0);
/** Result of `infer`, `embed` and `rerank` tasks, in JSON. */
export const inferResultSchema = z.object({
  /** HTTP's. */
  status: z.number().int().min(100).max(599),
  /** The answer; absent where it went to a channel. */
  body: z.string().optional(),
  /** Missing where the server does not tell. `cached`: of the prompt, what was not computed anew. */
  tokens: z.object({ prompt: tokens, cached: tokens, output: tokens }).optional(),
  /** For which it computed the prompt, without what was there of it, and the output, as the server says; older workers tell the latter alone. */
  promptMs: z.number().min(0).optional(),
  outputMs: z.number().min(0).optional(),
  /** In the server's queue and prompt until the first byte, and from there to the last. */
  firstMs: z.number().min(0),
  restMs: z.number().min(0),
  /** Of a slot that was lent: how many were answered there. Tokens and times are of all of them, the status is the first one's. */
  questions: tokens.optional(),
});
export type InferResult = z.infer<typeof inferResultSchema>;

/** `draining`: it takes no more requests, and answers those it has; `stopping`: it was told to end. */
export const instanceStates = [
  'waiting',
  'pulling',
  'starting',
  'ready',
  'draining',
  'stopping',
  'failed',
] as const;

/** A model as the broker tells of it. */
export interface ModelDocument extends ModelSpec {
  /** Principal who added it. */
  readonly owner: string;
  readonly addedAt: number;
  readonly instances: readonly InstanceDocument[];
  /** Workers that have its file in their stores, as far as is known: a worker makes room as it must. Missing of an older broker. */
  readonly heldOn?: readonly { readonly worker: string; readonly name: string }[];
  /** Requests that wait for an instance, and that run. */
  readonly waiting: number;
  readonly running: number;
  /** Why no instance could be begun lately, in words; '' if none failed. */
  readonly trouble: string;
  /** No machine that there is could hold it, as `trouble` says. */
  readonly isImpossible?: true;
  /** How many times what is estimated of a device's memory instances of it, or of its architecture, were seen to take. */
  readonly memory?: {
    readonly factor: number;
    readonly from: 'nothing' | 'architecture' | 'model';
    readonly seen: number;
  };
  /** Settings that were measured for it; missing of an older broker. */
  readonly tunings?: readonly TuningDocument[];
}

export interface InstanceDocument {
  /** '' for who may not see it. */
  readonly task: string;
  readonly state: (typeof instanceStates)[number];
  /** '' while it waits. */
  readonly worker: string;
  readonly workerName: string;
  /** Uuids; none: on the host. */
  readonly devices: readonly string[];
  readonly busy: number;
  readonly slots: number;
  /** Wall ms of its first being ready, and of the last request's end; 0 for never. */
  readonly readyAt: number;
  readonly usedAt: number;
  /** In words: where it is to be and why, or why it failed. */
  readonly words: string;
  /** Of the memory of where it computes: what was planned for it, and what it was seen to hold. Missing while that is not known. */
  readonly predictedBytes?: number;
  readonly observedBytes?: number;
  /** What is held for it instead of what was planned, once it was measured. */
  readonly heldBytes?: number;
}

/** `measured`: of this very model on this very place. */
export interface Foreseen {
  readonly value: number;
  readonly from: 'measured' | 'estimated';
}

/** What a model is planned to take of the host, or of a device. */
export interface MemoryUse {
  readonly weightBytes: number;
  readonly cacheBytes: number;
  readonly computeBytes: number;
  /** What the device's driver takes for a process that uses it at all, a CUDA context for one. */
  readonly overheadBytes: number;
  /** What instances were seen to take beyond all that; less than 0 where they took less. */
  readonly learnedBytes: number;
  readonly totalBytes: number;
}

/** What `planModel` says of each worker; nothing is loaded. */
export interface ModelPlanDocument {
  readonly workers: readonly {
    readonly worker: string;
    readonly name: string;
    readonly kind: 'whole' | 'divided' | 'partly' | 'host' | 'no';
    readonly devices: readonly {
      readonly uuid: string;
      readonly name: string;
      readonly layers: number;
      readonly bytes: number;
      /** Of which that is made; older brokers do not tell. */
      readonly memory?: MemoryUse;
    }[];
    readonly hostLayers: number;
    readonly hostBytes: number;
    readonly hostMemory?: MemoryUse;
    readonly reasons: readonly string[];
    /** Where it does not fit now: how it would with nothing else on that machine, in short. Older brokers do not tell. */
    readonly whenEmpty?: {
      readonly kind: 'whole' | 'divided' | 'partly' | 'host' | 'no';
      readonly reasons: readonly string[];
    };
    /** What one who asks alone may expect there; missing where nothing is known. */
    readonly tokensPerS?: Foreseen;
    /** From its being planned until it is ready; what is estimated counts without bringing its file. */
    readonly loadMs?: Foreseen;
    /** What is kept for it there, where something is. */
    readonly tuning?: TuningDocument;
  }[];
}

export const modelRequestSchemas = {
  models: z.object({}),
  /** Again with the same spec: nothing changes. Another spec of the name: instances of the former end when they are idle. */
  addModel: z.object({ model: modelSpecSchema }),
  removeModel: z.object({ name: modelName }),
  planModel: z.object({
    /** Where it is known by one: what was learned of it counts. */
    name: modelName.optional(),
    description: modelDescriptionSchema,
    serving: servingSchema,
  }),
  /** Has an instance begun, as far as `replicas.max` allows, with nobody asking; it is unloaded when idle, as any. */
  loadModel: z.object({ name: modelName }),
  /** Ends all idle instances of it, and the others when they are. */
  unloadModel: z.object({ name: modelName }),
  tuneModel: tuneModelSchema,
  /** Permission to be sent answers by a worker, on channels that this session's principal makes up. */
  answers: z.object({ node: z.string().min(1).max(limits.nameChars) }),
} as const;
