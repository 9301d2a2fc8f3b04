/**
 * A question answered from a collection, with the passages that say so: found, ranked again, packed into what the model has room
 * for, answered, and the answer held against what was read.
 *
 * 1. What a model wrote is never passed on before it has been checked.
 * 2. No model is asked what the collection can have no answer to; which is told, not guessed at.
 * 3. Each step is a task of whoever asks, with their rights: a query, a count of tokens, a ranking, an answer.
 */
import { type ChosenFiles, failure, GridError, limits, type ModelDocument } from '@gryphgen/protocol';
import { askChat, readChat } from '../inference/chat.ts';
import type { Inference, InferenceAsker } from '../inference.ts';
import { modelFor } from '../model-choice.ts';
import { type AskCollectionOptions, chatOptions } from './ask-progress.ts';
import { promptOf } from './ask-prompt.ts';
import type { RetrievalAsker } from './ask-shard.ts';
import {
  type CollectionAnswer,
  collectionAnswerSchema,
  contextPackSchema,
  promptSchema,
} from './ask-steps.ts';
import { type ReadPassage, withBeside } from './beside-passages.ts';
import { checkAnswer } from './check-answer.ts';
import { isClose } from './closeness.ts';
import { measurePassages, tooSmall } from './measure-passages.ts';
import { packContext } from './pack-context.ts';
import { queryCollection } from './query-collection.ts';
import { candidatesFor, rerankPassages } from './rerank-passages.ts';

/** As many as an answer of retrieval usually holds whole. */
const usualCount = 8;
/** More than a model makes use of. */
export const mostPassagesAsked = 50;

export interface CollectionQuestion {
  readonly collection: string;
  readonly question: string;
  /** By default the only one that writes. */
  readonly model?: string;
  /** A model by which passages are ranked again. */
  readonly rerank?: string;
  /** The only ones that are looked into. */
  readonly files?: ChosenFiles;
  /** Passages that are looked at, 1 to `mostPassagesAsked`. */
  readonly count?: number;
  /** The most that passages may take of the model's context, in its tokens; by default all that is left. */
  readonly budgetTokens?: number;
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
  const question = judged(asked);
  const models = await asker.request('models', {});
  const model = modelFor(models, 'infer', asked.model);
  const ranking = asked.rerank === undefined ? undefined : modelFor(models, 'rerank', asked.rerank);
  const found = await look(asker, inference, { ...asked, question }, ranking, options);
  if (found.kind === 'nothing')
    return { ...notFound(model.name, `${found.why}; no model was asked`), ...found.told };
  const measured = await measurePassages(inference, model, question, found, asked.budgetTokens, options);
  const { budget, chunks } = measured;
  const pack = contextPackSchema.parse(packContext(chunks, budget.passageTokens));
  if (pack.passages.length === 0) throw tooSmall(model.name, budget, chunks);
  options.onStep?.({ kind: 'reading', model: model.name, passages: pack.passages.length });
  const prompt = promptSchema.parse(promptOf(question, pack, budget.answerTokens));
  const { messages, answerSchema: schema, answerTokens: maxTokens } = prompt;
  const chat = { model: model.name, messages, maxTokens, schema, temperature: 0 };
  const answer = askChat(inference, chat, chatOptions(model.name, options));
  const { text, reason, task, result } = await readChat(answer, model.name, () => undefined);
  const told = {
    ...found.told,
    ...{ passages: pack.passages, leftOut: pack.leftOut, copies: pack.copies, budget },
    tasks: { ...found.told.tasks, count: measured.task, answer: task },
    ...(result.tokens && { tokens: result.tokens }),
  };
  const checked = checkAnswer(text, reason, pack);
  switch (checked.kind) {
    case 'wrong':
      throw new GridError(failure('execution.model', `${model.name} in ${task}: ${checked.why}`));
    case 'not-found':
      return { ...notFound(model.name, `${model.name} finds no answer in what it was read`), ...told };
    case 'answered':
      return collectionAnswerSchema.parse({
        ...{ ...told, model: model.name, answer: checked.answer, found: true, why: '' },
        supported: checked.cited.length > 0,
        citations: checked.cited.flatMap((number) => pack.passages[number - 1] ?? []),
        unknownCitations: checked.unknown,
      });
    default:
      return checked satisfies never;
  }
}

/** Of the looking, what the answer tells. */
type Told = Pick<CollectionAnswer, 'tasks' | 'meaning' | 'wordsAlone' | 'missing' | 'behind'>;

type Looked =
  | { readonly kind: 'nothing'; readonly why: string; readonly told: Told }
  | {
      readonly kind: 'passages';
      /** Best first. */
      readonly passages: readonly ReadPassage[];
      /** Their texts may be cut. */
      readonly partial: boolean;
      readonly told: Told;
    };

async function look(
  asker: CollectionAsker,
  inference: Inference,
  { collection, question, count = usualCount, files }: CollectionQuestion,
  ranking: ModelDocument | undefined,
  options: AskCollectionOptions,
): Promise<Looked> {
  const wanted = ranking === undefined ? count : candidatesFor(count);
  const chosen = files && { files };
  const query = {
    collection,
    text: question,
    count: wanted,
    of: 'passages',
    distinct: true,
    around: 1,
    ...chosen,
  } as const;
  const found = await queryCollection(asker, query, { ...options, inference });
  const { task, cut: partial, meaning, wordsAlone, missing, behindShards: behind } = found;
  const tasks = { query: task };
  const aside = { ...(meaning && { meaning }), ...(wordsAlone !== undefined && { wordsAlone }) };
  const lacking = { ...(missing && { missing: [...missing] }), ...(behind && { behind: [...behind] }) };
  const told = { tasks, ...aside, ...lacking };
  if (found.results.length === 0) return { kind: 'nothing', why: 'no passage has words of it', told };
  if (!isClose(found)) return { kind: 'nothing', why: 'no passage is close to it', told };
  // What the answer of retrieval had no room for cannot be read.
  const readable = found.results.filter(({ text = '' }) => text !== '');
  if (readable.length === 0) return { kind: 'nothing', why: 'what is close to it has no text', told };
  if (ranking === undefined) return { kind: 'passages', passages: withBeside(readable), partial, told };
  const ranked = await rerankPassages(inference, ranking, question, readable, options);
  const passages = withBeside(ranked.passages.slice(0, count));
  return { kind: 'passages', passages, partial, told: { ...told, tasks: { ...tasks, rerank: ranked.task } } };
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

function notFound(model: string, why: string): CollectionAnswer {
  return {
    ...{ answer: null, found: false, supported: false, why, model, tasks: {} },
    ...{ citations: [], unknownCitations: [], passages: [], leftOut: 0, copies: 0 },
  };
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
