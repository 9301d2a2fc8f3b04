/**
 * A question answered from a collection, with the passages that say so: found, ranked again, packed into what the model has room
 * for, answered, and the answer held against what was read.
 *
 * 1. What a model wrote is never passed on before it has been checked.
 * 2. No model is asked what the collection can have no answer to; which is told, not guessed at.
 * 3. Each step is a task of whoever asks, with their rights: a query, a count of tokens, a ranking, an answer.
 */
import { failure, GridError, limits, type Passage } from '@gryphgen/protocol';
import { askChat, type ChatOptions, readChat } from '../inference/chat.ts';
import type { AskOptions, Inference, InferenceAsker } from '../inference.ts';
import { modelFor } from '../model-choice.ts';
import { queryCollection, type RetrievalAsker } from '../retrieval.ts';
import { fenceFor, framingOf, promptOf, quotationOf } from './ask-prompt.ts';
import {
  type Budget,
  budgetSchema,
  type Chunk,
  type CollectionAnswer,
  type ContextPack,
  chunkSchema,
  collectionAnswerSchema,
  contextPackSchema,
  promptSchema,
} from './ask-steps.ts';
import { checkAnswer } from './check-answer.ts';
import { isClose } from './closeness.ts';
import { countTokens } from './count-tokens.ts';
import { packContext } from './pack-context.ts';
import { rerankPassages } from './rerank-passages.ts';

/** As many as an answer of retrieval usually holds whole. */
const usualCount = 8;
/** More than a model makes use of. */
export const mostPassagesAsked = 50;
/** What ranking again chooses from, for each passage that is wanted. */
const candidatesEach = 2;
const usualAnswerTokens = 1024;
/** Of a slot, what the answer may have at most. */
const answerShare = 0.25;
/** What a chat template puts around two messages. */
const templateTokens = 64;
/** The number of a passage, and where two texts meet. */
const jointTokens = 8;
/** Quoted by the highest number while it is counted. */
const countedNumber = mostPassagesAsked;

export interface CollectionQuestion {
  readonly collection: string;
  readonly question: string;
  /** By default the only one that writes. */
  readonly model?: string;
  /** A model by which passages are ranked again. */
  readonly rerank?: string;
  /** Passages that are looked at, 1 to `mostPassagesAsked`. */
  readonly count?: number;
  /** The most that passages may take of the model's context, in its tokens; by default all that is left. */
  readonly budgetTokens?: number;
}

export type AskStep =
  /** It waits for a model that is ready. */
  | { readonly kind: 'waiting'; readonly model: string }
  /** The model reads so many passages. */
  | { readonly kind: 'reading'; readonly model: string; readonly passages: number };

export interface AskCollectionOptions {
  readonly signal?: AbortSignal;
  readonly onStep?: (step: AskStep) => void;
}

/** What of a `Client` it needs. */
export type CollectionAsker = RetrievalAsker & Pick<InferenceAsker, 'request'>;

/**
 * Throws GridError: a question, a count or a budget that makes no sense, a collection or model that is not there or for
 * something else, `execution.model` where the model's answer is none, and what its tasks end with.
 */
export async function askCollection(
  asker: CollectionAsker,
  inference: Inference,
  asked: CollectionQuestion,
  options: AskCollectionOptions = {},
): Promise<CollectionAnswer> {
  const { collection, rerank, count = usualCount } = asked;
  const question = judged(asked);
  const models = await asker.request('models', {});
  const model = modelFor(models, 'infer', asked.model);
  const ranking = rerank === undefined ? undefined : modelFor(models, 'rerank', rerank);
  const candidates = ranking === undefined ? count : count * candidatesEach;
  const found = await queryCollection(asker, {
    collection,
    text: question,
    count: candidates,
    of: 'passages',
  });
  if (!isClose(found)) {
    const why = found.results.length === 0 ? 'no passage has words of it' : 'no passage is close to it';
    return notFound(model.name, `${why}; no model was asked`);
  }
  const ranked =
    ranking === undefined
      ? undefined
      : await rerankPassages(inference, ranking, question, found.results, waits(ranking.name, options));
  const passages = (ranked?.passages ?? found.results).slice(0, count);
  const room = { slotTokens: model.serving.slotTokens, budgetTokens: asked.budgetTokens };
  const measured = await measure(inference, model.name, question, passages, found.cut, room, options);
  const { budget, chunks } = measured;
  const pack = contextPackSchema.parse(packContext(chunks, budget.passageTokens));
  if (pack.passages.length === 0) throw tooSmall(model.name, budget, chunks);
  const tasks = { count: measured.task, ...(ranked && { rerank: ranked.task }) };
  const read = { ...readOf(pack), model: model.name, budget };
  options.onStep?.({ kind: 'reading', model: model.name, passages: pack.passages.length });
  const { messages, answerSchema, answerTokens } = promptSchema.parse(
    promptOf(question, pack, budget.answerTokens),
  );
  const chat = { model: model.name, messages, maxTokens: answerTokens, schema: answerSchema, temperature: 0 };
  const answer = askChat(inference, chat, chatOptions(model.name, options));
  const { text, reason, task, result } = await readChat(answer, model.name, () => undefined);
  const checked = checkAnswer(text, reason, pack);
  const told = {
    ...read,
    tasks: { ...tasks, answer: task },
    ...(result.tokens && { tokens: result.tokens }),
  };
  switch (checked.kind) {
    case 'wrong':
      throw new GridError(failure('execution.model', `${model.name} in ${task}: ${checked.why}`));
    case 'not-found':
      return { ...notFound(model.name, `${model.name} finds no answer in what it was read`), ...told };
    case 'answered':
      return collectionAnswerSchema.parse({
        ...told,
        ...{ answer: checked.answer, found: true, supported: checked.cited.length > 0, why: '' },
        citations: checked.cited.flatMap((number) => pack.passages[number - 1] ?? []),
        unknownCitations: checked.unknown,
      });
    default:
      return checked satisfies never;
  }
}

function judged({ question, count = usualCount, budgetTokens = 1 }: CollectionQuestion): string {
  const text = question.trim();
  if (text === '') throw invalid('found an empty question, expected words');
  if (text.length > limits.queryChars)
    throw invalid(`the question has ${text.length} characters, expected at most ${limits.queryChars}`);
  if (!Number.isInteger(count) || count < 1 || count > mostPassagesAsked)
    throw invalid(`found ${count} passages, expected 1 to ${mostPassagesAsked}`);
  if (!Number.isInteger(budgetTokens) || budgetTokens < 1)
    throw invalid(`found a budget of ${budgetTokens} tokens, expected a whole number from 1`);
  return text;
}

interface Room {
  readonly slotTokens: number;
  readonly budgetTokens: number | undefined;
}

interface Measured {
  readonly budget: Budget;
  readonly chunks: readonly Chunk[];
  readonly task: string;
}

/** What each passage takes of the model's context, and what there is for them. */
async function measure(
  inference: Inference,
  model: string,
  question: string,
  passages: readonly Passage[],
  partial: boolean,
  { slotTokens, budgetTokens }: Room,
  options: AskCollectionOptions,
): Promise<Measured> {
  const quotable = passages.flatMap(({ text = '', ...rest }) => (text === '' ? [] : { ...rest, text }));
  const fence = fenceFor(quotable.map(({ text }) => text));
  const framing = framingOf(question);
  const quoted = quotable.map((passage) => quotationOf(countedNumber, passage, fence));
  const count = await countTokens(inference, model, [...framing, ...quoted], waits(model, options));
  const frame = count.tokens.slice(0, framing.length).reduce((sum, tokens) => sum + tokens, templateTokens);
  const answerTokens = Math.max(1, Math.min(usualAnswerTokens, Math.floor(slotTokens * answerShare)));
  const left = slotTokens - frame - answerTokens;
  if (left <= 0)
    throw invalid(
      `the question takes ${frame} tokens with its instructions, and ${model} has ${slotTokens}, of which ${answerTokens} are for the answer: ask shorter, or a model with more context`,
    );
  if (budgetTokens !== undefined && budgetTokens > left)
    throw invalid(
      `found a budget of ${budgetTokens} tokens, expected at most ${left}: ${model} has ${slotTokens}, the question takes ${frame} and the answer up to ${answerTokens}`,
    );
  const budget = budgetSchema.parse({
    ...{ slotTokens, frameTokens: frame, answerTokens, counted: count.counted },
    passageTokens: budgetTokens ?? left,
  });
  const chunks = quotable.map((passage, index) => {
    const tokens = (count.tokens[framing.length + index] ?? 0) + jointTokens;
    return chunkSchema.parse({ ...passage, partial, tokens });
  });
  return { budget, chunks, task: count.task };
}

function tooSmall(model: string, { passageTokens }: Budget, chunks: readonly Chunk[]): GridError {
  const least = Math.min(...chunks.map(({ tokens }) => tokens));
  return invalid(
    `the smallest passage takes ${least} tokens, and there is room for ${passageTokens} of ${model}: give a larger budget, or ask a model with more context`,
  );
}

function readOf({
  passages,
  leftOut,
  copies,
}: ContextPack): Pick<CollectionAnswer, 'passages' | 'leftOut' | 'copies'> {
  return { passages, leftOut, copies };
}

function notFound(model: string, why: string): CollectionAnswer {
  return {
    ...{ answer: null, found: false, supported: false, why, model, tasks: {} },
    ...{ citations: [], unknownCitations: [], passages: [], leftOut: 0, copies: 0 },
  };
}

function chatOptions(model: string, { signal, onStep }: AskCollectionOptions): ChatOptions {
  return { ...(signal && { signal }), onWaiting: () => onStep?.({ kind: 'waiting', model }) };
}

function waits(model: string, { signal, onStep }: AskCollectionOptions): AskOptions {
  return {
    ...(signal && { signal }),
    onChange: ({ state }) => {
      if (state === 'waiting') onStep?.({ kind: 'waiting', model });
    },
  };
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
