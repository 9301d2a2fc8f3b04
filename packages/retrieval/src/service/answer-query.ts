/** Passages for a query, as an answer holds them. */
import { limits, type QueryResult, type RetrieveBody } from '@gryphgen/protocol';
import { askedWords } from '../core/score/query-terms.ts';
import type * as stored from '../store/store.ts';
import { fitted } from './answer-size.ts';
import type { Learning } from './learning.ts';
import type { Meaning } from './meaning.ts';
import { bestOfFiles, shown, withoutText } from './shown-passages.ts';

/** Passages looked at for one file: those of large files crowd others out. */
const passagesPerFile = 4;

type Query = Extract<RetrieveBody, { op: 'query' }>;

interface Asked {
  /** As the collection has it: with pseudonyms. */
  readonly text: string;
  readonly learning: Learning;
  readonly meaning: Meaning;
  /** Of the source that a file is of. */
  readonly revisionOf: (key: string) => string | undefined;
}

/** At most `maxBytes` of JSON. */
export async function answerQuery(
  { collection, count, of, vector }: Query,
  maxBytes: number,
  { text, learning, meaning, revisionOf }: Asked,
): Promise<QueryResult> {
  const embedding = await meaning.embedding(collection);
  const aside = {
    ...(of === 'passages' && { asked: askedWords(text) }),
    ...(embedding && { embedding }),
  };
  const room = maxBytes - JSON.stringify(aside).length;
  const words = (limit: number) => learning.search(collection, text, limit);
  const ask = (limit: number) =>
    vector === undefined || vector.digest !== embedding?.digest
      ? words(limit)
      : meaning.search(collection, vector, limit, words);
  const cited = (passage: stored.Passage) => shown(passage, revisionOf(passage.source.key));
  if (of === 'passages') return { ...fitted((await ask(count)).map(cited), room), ...aside };
  for (let limit = count * passagesPerFile; ; limit *= passagesPerFile) {
    const found = await ask(limit);
    const best = bestOfFiles(found).slice(0, count);
    if (best.length === count || found.length < limit || limit >= limits.passages * passagesPerFile)
      return {
        ...fitted(
          best.map((passage) => withoutText(cited(passage))),
          room,
        ),
        ...aside,
      };
  }
}
