/**
 * What a model's file says of it, as far as placing and planning it need: small enough to travel with a report, whatever
 * the file's size. Read from GGUF by runtime/gguf; the chat template stays in the file, whose server reads it there.
 */
import { z } from 'zod';

const GiB = 1024 ** 3;

/** Far above any model there is, and low enough that sums over layers stay exact. */
export const modelLimits = {
  layers: 1024,
  /** Of weights, split files together. */
  bytes: 64 * 1024 * GiB,
  /** Heads, lengths, vocabulary, context: anything counted. */
  count: 2 ** 31 - 1,
} as const;

const bytes = z.number().int().min(0).max(modelLimits.bytes);
const count = z.number().int().min(0).max(modelLimits.count);
const positive = count.min(1);

/** One block of the model. Bytes are those of its tensors as the file has them. */
export const modelLayerSchema = z.object({
  /** What it keeps of the past: all of it, the last tokens alone, a state of fixed size, or nothing. */
  keeps: z.enum(['all', 'window', 'state', 'nothing']),
  heads: count,
  kvHeads: count,
  feedForward: count,
  /** Through one matrix, through one that another gates, or through some of the model's experts. */
  forward: z.enum(['plain', 'gated', 'experts']),
  bytes,
});
export type ModelLayer = z.infer<typeof modelLayerSchema>;

export const modelDescriptionSchema = z.object({
  architecture: z.string().min(1).max(64),
  /** '' when the file has none. */
  name: z.string().max(256),
  /** Of most of the weights, such as Q4_K_M; '' when the file does not say. */
  quantization: z.string().max(32),
  parameters: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  contextTokens: positive,
  vocabulary: count,
  embedding: positive,
  /** Values of a key and of a value, per head. */
  keyLength: count,
  valueLength: count,
  /** Tokens that a layer which keeps a window sees; 0 without. */
  window: count,
  layers: z.array(modelLayerSchema).min(1).max(modelLimits.layers),
  experts: z.object({ count: positive, used: positive, feedForward: count, shared: count }).optional(),
  /** Multi-head latent attention: one compressed key for all heads, of which `rope` values carry the position. */
  latent: z.object({ rank: positive, rope: count, keyLength: count, valueLength: count }).optional(),
  /** Values that a layer which keeps a state has per sequence, always of 4 bytes; 0 without. */
  stateValues: count,
  /** What turns tokens into embeddings, and embeddings into tokens. */
  inputBytes: bytes,
  outputBytes: bytes,
  /** Of the embeddings that are used as output too, and held twice where input and output are on different devices; else 0. */
  tiedBytes: bytes,
  /** Generates text: false for models that embed or rank, which keep nothing of the past. */
  isGenerative: z.boolean(),
  hasChatTemplate: z.boolean(),
  /** That template takes tools; missing of one that was added before this was read, and without a template. */
  takesTools: z.boolean().optional(),
  /** Of all files. */
  fileBytes: bytes,
});
export type ModelDescription = z.infer<typeof modelDescriptionSchema>;
