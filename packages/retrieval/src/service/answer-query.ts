/**
 * Passages for a query, as an answer holds them.
 *
 * 1. A shard of a collection scores and orders by the statistics and ranks of all of them, which its asker brings: what the
 *    shards answer, put together by `order`, is what one index of all would.
 */
import {
  type CandidatesResult,
  limits,
  type PassageOrder,
  type QueryResult,
  type RetrieveBody,
  type StatisticsResult,
} from '@gryphgen/protocol';
import { diverse } from '../core/fuse/diversity.ts';
import { askedWords } from '../core/score/query-terms.ts';
import type * as stored from '../store/store.ts';
import { fitted } from './answer-size.ts';
import type { Learning } from './learning.ts';
import { type Meaning, tieOfPassage } from './meaning.ts';
import { bestOfFiles, shown, withoutText } from './shown-passages.ts';
import { withNeighbours } from './with-neighbours.ts';

/** Passages looked at for one that is shown, or for one file: those of large files crowd others out. */
const passagesEach = 4;
/** More are not compared with each other: no answer holds them. */
const mostDistinct = 128;

type Query = Extract<RetrieveBody, { op: 'query' }>;
type Candidates = Extract<RetrieveBody, { op: 'candidates' }>;

export interface Asked {
  /** As the collection has it: with pseudonyms. */
  readonly text: string;
  readonly store: stored.Store;
  readonly learning: Learning;
  readonly meaning: Meaning;
  /** Of the source that a file is of. */
  readonly revisionOf: (key: string) => string | undefined;
}

/** At most `maxBytes` of JSON. */
export async function answerQuery(
  { collection, count, of, vector, statistics, ranked, files, distinct, around }: Query,
  maxBytes: number,
  { text, store, learning, meaning, revisionOf }: Asked,
): Promise<QueryResult> {
  const embedding = await meaning.embedding(collection);
  const aside = {
    ...(of === 'passages' && { asked: askedWords(text) }),
    ...(embedding && { embedding }),
    ...(files && { chosen: true as const }),
  };
  const room = maxBytes - JSON.stringify(aside).length;
  const within = { collection, files };
  const words = (limit: number) => learning.search(collection, text, limit, { statistics, files });
  const byMeaning = vector !== undefined && vector.digest === embedding?.digest;
  const ask = async (limit: number) => {
    if (ranked !== undefined && vector !== undefined)
      return (await meaning.ranked(within, vector, ranked, words)).slice(0, limit);
    return byMeaning ? await meaning.search(within, vector, limit, words) : await words(limit);
  };
  const cited = (passage: stored.Passage) => ({
    ...shown(passage, revisionOf(passage.source.key)),
    ...(statistics && { order: orderOf(passage) }),
  });
  if (of === 'passages') {
    // Of a shard its asker knows what the others have: it is told all, in order.
    const isChosen = distinct === true && statistics === undefined && count <= mostDistinct;
    const found = isChosen ? diverse(await ask(count * passagesEach), count) : await ask(count);
    const answer = fitted(found.map(cited), room);
    return around === undefined
      ? { ...answer, ...aside }
      : { ...(await withNeighbours(answer, found, around, room, store)), ...aside };
  }
  for (let limit = count * passagesEach; ; limit *= passagesEach) {
    const found = await ask(limit);
    const best = bestOfFiles(found).slice(0, count);
    if (best.length === count || found.length < limit || limit >= limits.passages * passagesEach)
      return {
        ...fitted(
          best.map((passage) => withoutText(cited(passage))),
          room,
        ),
        ...aside,
      };
  }
}

export async function answerStatistics(
  collection: string,
  { text, store, meaning }: Asked,
): Promise<StatisticsResult> {
  const embedding = await meaning.embedding(collection);
  const statistics = await store.statistics(collection, text);
  return { statistics, asked: askedWords(text), ...(embedding && { embedding }) };
}

/** The vector of another model than the shard's finds nothing there. */
export async function answerCandidates(
  { collection, count, vector, statistics, files }: Candidates,
  { text, learning, meaning }: Asked,
): Promise<CandidatesResult> {
  const embedding = await meaning.embedding(collection);
  const isAlike = vector.digest === embedding?.digest;
  const [words, near] = await Promise.all([
    learning.search(collection, text, count, { statistics, files }),
    isAlike ? meaning.nearest({ collection, files }, vector, count) : [],
  ]);
  return { words: words.map(orderOf), meaning: near.map(orderOf) };
}

const levels = { exactly: 2, loosely: 1 } as const;

function orderOf(passage: stored.Passage): PassageOrder {
  return [passage.named === null ? 0 : levels[passage.named], passage.score, tieOfPassage(passage)];
}
