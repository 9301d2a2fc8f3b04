/**
 * What passes from step to step while a question is answered from a collection: found passages, their tokens, the budget, the
 * pack, the prompt, the model's answer, the checked one.
 *
 * 1. Each is checked where it is handed on, so that a step need not trust the one before it.
 * 2. Tokens are those of the model that answers. Lines are a file's (or of the page or cell that `place` names), from 1, the
 *    last one included. Scores are what ranked last: of no unit, and comparable within one answer only.
 */
import { queryResultSchema } from '@gryphgen/protocol';
import { z } from 'zod';

const tokens = z.number().int().min(0);
const some = z.number().int().min(1);

/** A passage as it was found, best first in a list. */
const passageSchema = queryResultSchema.shape.results.element;

/** A passage that may be read to the model. */
export const chunkSchema = passageSchema.extend({
  text: z.string().min(1),
  /** The text may end before its lines do: the answer of retrieval held no more. */
  partial: z.boolean(),
  /** It was not found itself: it stands beside what was. */
  beside: z.literal(true).optional(),
  /** As it is quoted, with its heading. */
  tokens,
});
export type Chunk = z.infer<typeof chunkSchema>;

/** How the context of one slot is shared out. */
export const budgetSchema = z
  .object({
    slotTokens: some,
    /** Instructions, the question, and what the model's chat template puts around them. */
    frameTokens: tokens,
    /** The most that it may write. */
    answerTokens: some,
    /** The most that passages may take. */
    passageTokens: tokens,
    /** Counted by the model, or estimated because it does not count. */
    counted: z.enum(['by the model', 'estimated']),
  })
  .refine(
    ({ slotTokens, frameTokens, answerTokens, passageTokens }) =>
      frameTokens + answerTokens + passageTokens <= slotTokens,
    'a budget of more than there is',
  );
export type Budget = z.infer<typeof budgetSchema>;

/** One or more chunks that stand next to each other. */
const packedSchema = passageSchema
  .pick({ machine: true, source: true, lines: true, place: true, revision: true, title: true, score: true })
  .extend({ number: some, text: z.string().min(1), tokens });
export type PackedPassage = z.infer<typeof packedSchema>;

export const contextPackSchema = z
  .object({
    /** By their numbers: 1, 2, … */
    passages: z.array(packedSchema),
    tokens,
    /** Chunks that were found and for which there was no room, and that say what another says. */
    leftOut: tokens,
    copies: tokens,
  })
  .refine(
    ({ passages }) => passages.every(({ number }, index) => number === index + 1),
    'numbers in disorder',
  );
export type ContextPack = z.infer<typeof contextPackSchema>;

export const promptSchema = z.object({
  messages: z.array(z.object({ role: z.enum(['system', 'user']), content: z.string().min(1) })).min(1),
  /** JSON Schema, to which the server holds the model. */
  answerSchema: z.record(z.string(), z.unknown()),
  answerTokens: some,
});
export type Prompt = z.infer<typeof promptSchema>;

/** What the model is to write. */
export const modelAnswerSchema = z.discriminatedUnion('found', [
  z.object({ found: z.literal(true), answer: z.string(), citations: z.array(z.number().int()) }),
  z.object({ found: z.literal(false) }),
]);

const citationSchema = packedSchema.omit({ text: true, tokens: true, score: true });
export type Citation = z.infer<typeof citationSchema>;

/** What the question is answered with. */
export const collectionAnswerSchema = z.object({
  /** Null where it is not in the collection. */
  answer: z.string().nullable(),
  found: z.boolean(),
  /** It was found, and at least one passage that was read is cited for it. */
  supported: z.boolean(),
  /** Who says so, in words; '' where it was found. */
  why: z.string(),
  citations: z.array(citationSchema),
  /** Numbers that the model cited, of passages that there are not. */
  unknownCitations: z.array(z.number().int()),
  /** What it was read; nothing where no model was asked. */
  passages: z.array(packedSchema),
  leftOut: tokens,
  copies: tokens,
  model: z.string(),
  /** By which model the question was embedded, and how long that took; why words alone were asked of a collection with vectors. */
  meaning: z.object({ model: z.string(), ms: z.number() }).optional(),
  wordsAlone: z.string().optional(),
  /** Shards that did not answer: what is in them was not looked at. */
  missing: z.array(z.object({ number: z.number(), machine: z.string(), why: z.string() })).optional(),
  /** Shards that were answered for by a copy that lacks changes. */
  behind: z.array(z.object({ number: z.number(), version: z.number(), of: z.number() })).optional(),
  budget: budgetSchema.optional(),
  /** By step. */
  tasks: z.object({ query: z.string(), count: z.string(), rerank: z.string(), answer: z.string() }).partial(),
  /** Of the answer's task. `cached`: of the prompt, what was not computed anew. */
  tokens: z.object({ prompt: tokens, cached: tokens, output: tokens }).optional(),
});
export type CollectionAnswer = z.infer<typeof collectionAnswerSchema>;
