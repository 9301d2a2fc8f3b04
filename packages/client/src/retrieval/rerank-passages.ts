/** Passages in the order in which a model for ranking has them: it reads each beside the question, which an index cannot. */
import { failure, GridError, limits, type ModelDocument, type Passage } from '@gryphgen/protocol';
import { z } from 'zod';
import { type WholeAnswer, wholeAnswer } from '../inference/whole-answer.ts';
import type { Inference } from '../inference.ts';
import { type AskCollectionOptions, questionOptions } from './ask-progress.ts';
import type { RetrievalAsker } from './ask-shard.ts';
import { type CollectionQuery, type Found, queryCollection } from './query-collection.ts';

/** In the terms of a score; no word is written so. */
const rankTerm = '(rerank)';
/** A text has at most a token a byte, and usually far fewer. */
const usualTokenBytes = 2;
const leastTokenBytes = 1;
/** Of the room for a question and a passage, what the question may take. */
const questionShare = 0.25;
/** What the model puts around the two. */
const aroundTokens = 8;

/** What it chooses from, for each passage that is wanted. */
const candidatesEach = 2;

const answerSchema = z.object({
  results: z.array(z.object({ index: z.number().int().min(0), relevance_score: z.number() })),
});

type Ranks = z.infer<typeof answerSchema>;

export interface Reranked {
  readonly passages: readonly Passage[];
  readonly task: string;
}

/**
 * Best first by the model's score, which takes the place of the former one and is told among its terms; what the question
 * names as a whole stays before that, since who names something means it. Texts that are too long for the model are judged
 * by their beginnings. Throws GridError.
 */
export async function rerankPassages(
  inference: Inference,
  model: ModelDocument,
  question: string,
  passages: readonly Passage[],
  options: AskCollectionOptions = {},
): Promise<Reranked> {
  const texts = passages.map(({ title, text = '' }) => (title === undefined ? text : `${title}\n${text}`));
  const ask = (query: string, documents: readonly string[]): Promise<WholeAnswer<Ranks>> => {
    const request = new TextEncoder().encode(JSON.stringify({ query, documents }));
    const asked = { kind: 'rerank', model: model.name, path: '/v1/rerank', request } as const;
    const answer = inference.ask(asked, questionOptions(model.name, options));
    return wholeAnswer(answer, model.name, 'rerank', answerSchema);
  };
  const usual = shortened(question, texts, model, usualTokenBytes);
  const least = shortened(question, texts, model, leastTokenBytes);
  const { value, task } = await ask(...usual).catch((error: unknown) => {
    // What is too long is refused in words that differ: where less can be asked, that is tried once.
    const isRefused = error instanceof GridError && /^(rejected\.invalid|execution\.model)$/.test(error.code);
    if (isRefused && JSON.stringify(least) !== JSON.stringify(usual)) return ask(...least);
    throw error;
  });
  const scores = new Map(value.results.map(({ index, relevance_score: score }) => [index, score]));
  const ranked = passages.map((passage, index) => {
    const score = scores.get(index);
    if (score === undefined)
      throw new GridError(
        failure(
          'execution.model',
          `${model.name} has no score for passage ${index + 1} of ${passages.length}`,
        ),
      );
    return { ...passage, score, terms: { ...passage.terms, [rankTerm]: score } };
  });
  return { passages: ranked.sort((a, b) => levelOf(b) - levelOf(a) || b.score - a.score), task };
}

const levels = { exactly: 2, loosely: 1 } as const;

/** Older services do not tell: then the model alone decides. */
function levelOf({ named }: Passage): number {
  return named === undefined ? 0 : levels[named];
}

/** As many as are looked up, so that `count` of them are chosen. */
export function candidatesFor(count: number): number {
  return Math.min(limits.passages, count * candidatesEach);
}

/** As `queryCollection`, from more candidates, in the order that the model gives them. `words`: without vectors. */
export async function queryReranked(
  asker: RetrievalAsker,
  inference: Inference,
  query: CollectionQuery,
  model: ModelDocument,
  { words = false, ...options }: AskCollectionOptions & { readonly words?: boolean } = {},
): Promise<Found> {
  const wider = { ...query, count: candidatesFor(query.count) };
  const found = await queryCollection(asker, wider, { ...options, ...(!words && { inference }) });
  if (found.results.length === 0) return found;
  const { passages } = await rerankPassages(inference, model, query.text, found.results, options);
  return { ...found, results: passages.slice(0, query.count) };
}

function shortened(
  question: string,
  texts: readonly string[],
  { serving: { slotTokens } }: ModelDocument,
  tokenBytes: number,
): [query: string, documents: readonly string[]] {
  const room = Math.max(0, slotTokens - aroundTokens) * tokenBytes;
  const query = beginning(question, Math.floor(room * questionShare));
  const left = room - Buffer.byteLength(query);
  return [query, texts.map((text) => beginning(text, left))];
}

function beginning(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  // Half of a character is none.
  return bytes
    .subarray(0, maxBytes)
    .toString()
    .replace(/\ufffd+$/, '');
}
