/**
 * Tells a collection which of its files an answer came from, so that it learns without anybody's word.
 *
 * 1. It counts for less than what people say, however often it is told (retrieval/src/core/learn/learned.ts).
 * 2. The question is in no journal for it, and nobody waits for what becomes of it: what is lost of it is told by other questions.
 */
import { limits, type TaskId } from '@gryphgen/protocol';
import { shardOfKey } from '@gryphgen/runtime';
import type { PreparedTask } from '../prepare.ts';
import { ingestTask } from '../retrieval.ts';
import type { Citation } from './ask-steps.ts';
import { type CollectionsAsker, collectionNamed } from './collection-shards.ts';

/** Of one answer; what it cites first it says most of. */
const mostTold = 8;

export interface UsedFiles {
  readonly collection: string;
  readonly question: string;
  readonly citations: readonly Pick<Citation, 'machine' | 'source' | 'lines'>[];
}

/** What of a `Client` it needs. */
export interface UsedTeller extends CollectionsAsker {
  submit(task: PreparedTask): { readonly accepted: Promise<TaskId> };
}

/** Resolves when the grid has taken it. Throws GridError. */
export async function tellUsed(teller: UsedTeller, used: UsedFiles): Promise<void> {
  const { collection, question, citations } = used;
  const text = question.trim();
  // Another question is what its beginning would be.
  if (citations.length === 0 || text === '' || text.length > limits.feedbackChars) return;
  const { shards } = await collectionNamed(teller, collection);
  const files = new Map<string, UsedFiles['citations'][number]>();
  for (const one of citations) {
    const key = `${one.machine}\n${one.source}`;
    if (!files.has(key) && files.size < mostTold) files.set(key, one);
  }
  const told = [...files].map(([key, { machine, source: path, lines }]) => {
    const about = { op: 'feedback' as const, collection, text, verdict: 'used' as const };
    const body = { ...about, path, machine, lines: [...lines] as [number, number] };
    return teller.submit(ingestTask(body, shardOfKey(key, shards.length))).accepted;
  });
  await Promise.all(told);
}
