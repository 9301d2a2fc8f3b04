/**
 * One question to all shards of a collection: in parallel, until a deadline, and answered as one index of all would.
 *
 * 1. Each shard is asked first what the rarity of words comes of; the sums go with the question, so that all score alike. By
 *    meaning they tell the best of both rankings then, and are asked for those that are best among all.
 * 2. A shard that does not answer in time, or whose machine is away, is missing: the answer names it and says why. What
 *    concerns the asker, and no shard, is no partial answer.
 */
import {
  type CollectionDocument,
  candidatesResultSchema,
  type Embedding,
  formatDuration,
  GridError,
  limits,
  type QueryResult,
  queryResultSchema,
  type RetrieveBody,
  statisticsResultSchema,
} from '@gryphgen/protocol';
import type { z } from 'zod';
import { askShard, type RetrievalAsker } from './ask-shard.ts';
import { chosenAlone } from './chosen-alone.ts';
import { askedShard, unaskable } from './collection-shards.ts';
import { merged, ranksAmongAll, summed } from './merge-shards.ts';
import type { CollectionQuery, Embedded, Found, MissingShard, QueryOptions } from './query-collection.ts';

/** Longer than a machine that is well takes, and short enough to wait for one that is not. */
const deadlineMs = 10_000;
/** Of each ranking, as deep as one index goes. */
const depth = 100;

/** What the shards that answered said, by their index. */
type Answers<T> = ReadonlyMap<number, T>;

class Fan {
  readonly missing = new Map<number, string>();
  firstTask = '';
  private readonly asker: RetrievalAsker;
  private readonly collection: CollectionDocument;
  private readonly given: AbortSignal | undefined;
  private readonly ms: number;
  private lastError: unknown;

  constructor(
    asker: RetrievalAsker,
    collection: CollectionDocument,
    { signal, deadlineMs: ms = deadlineMs }: QueryOptions,
  ) {
    this.asker = asker;
    this.collection = collection;
    this.given = signal;
    this.ms = ms;
    for (const [index, shard] of collection.shards.entries()) {
      const why = unaskable(shard);
      if (why !== undefined) this.missing.set(index, why);
    }
  }

  /** Of those that are not missing yet; who fails is missing from then on. */
  async ask<T>(
    bodyOf: (index: number) => RetrieveBody | undefined,
    schema: z.ZodType<T>,
  ): Promise<Answers<T>> {
    const answers = new Map<number, T>();
    const { shards } = this.collection;
    const late = AbortSignal.timeout(this.ms);
    const signal = this.given === undefined ? late : AbortSignal.any([this.given, late]);
    // A task that is given up ends when its worker says so, which may be away.
    const gaveUp = aborted(signal);
    const asked = shards.map(async (_, index) => {
      const body = this.missing.has(index) ? undefined : bodyOf(index);
      if (body === undefined) return;
      try {
        const answer = askShard(this.asker, askedShard(this.collection, index), body, schema, signal);
        const { result, task } = await Promise.race([answer, gaveUp]);
        answers.set(index, result);
        this.firstTask ||= task;
      } catch (error) {
        this.failed(index, error, late.aborted);
      }
    });
    await Promise.all(asked);
    if (answers.size === 0 && this.missing.size === shards.length) throw this.nobody();
    return answers;
  }

  told(): readonly MissingShard[] {
    return [...this.missing]
      .sort(([a], [b]) => a - b)
      .map(([index, why]) => ({
        number: index + 1,
        machine: this.collection.shards[index]?.workerName ?? '',
        why,
      }));
  }

  private failed(index: number, error: unknown, isLate: boolean): void {
    if (this.given?.aborted) throw error;
    if (isLate) {
      this.missing.set(index, `it did not answer within ${formatDuration(this.ms)}`);
      return;
    }
    if (!(error instanceof GridError) || concernsAsker(error)) throw error;
    this.lastError ??= error;
    this.missing.set(index, error.message);
  }

  private nobody(): unknown {
    if (this.lastError !== undefined) return this.lastError;
    const words = this.told().map(({ number, why }) => `shard ${number}: ${why}`);
    return new GridError({
      code: 'unplaceable.no-worker',
      message: `no shard of ${this.collection.name} can be asked now: ${words.join('; ')}`,
    });
  }
}

/** Rejects when it is; nobody need wait for it. */
function aborted(signal: AbortSignal): Promise<never> {
  const given = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  given.catch(() => undefined);
  return given;
}

/** It is refused to whoever asks, by any shard. */
function concernsAsker({ failure: { code } }: GridError): boolean {
  return code.startsWith('rejected.') && code !== 'rejected.not-found' && code !== 'rejected.state';
}

export async function queryShards(
  asker: RetrievalAsker,
  collection: CollectionDocument,
  query: CollectionQuery,
  embed: (embedding: Embedding) => Promise<Embedded | undefined>,
  options: QueryOptions,
): Promise<Found> {
  const { text, count, files } = query;
  const { name } = collection;
  const fan = new Fan(asker, collection, options);
  const first = await fan.ask(() => ({ op: 'statistics', collection: name, text }), statisticsResultSchema);
  const statistics = summed([...first.values()].map((one) => one.statistics));
  const [{ asked } = { asked: 0 }] = first.values();
  const embedding = [...first.values()].find((one) => one.embedding !== undefined)?.embedding;
  const embedded = embedding && (await embed(embedding));
  const vector = embedded !== undefined && 'vector' in embedded ? embedded.vector : undefined;
  const body = { op: 'query' as const, ...query, statistics };
  let answers: Answers<QueryResult>;
  if (vector === undefined) answers = await fan.ask(() => body, queryResultSchema);
  else {
    const deep = Math.min(limits.fusedCandidates, Math.max(depth, count));
    const rest = { collection: name, text, count: deep, vector, statistics, ...(files && { files }) };
    const best = await fan.ask(() => ({ op: 'candidates', ...rest }), candidatesResultSchema);
    const ranks = ranksAmongAll(best, deep);
    answers = await fan.ask(
      (index) => ({ ...body, vector, ranked: ranks.get(index) ?? none }),
      queryResultSchema,
    );
  }
  for (const [index, answer] of answers) chosenAlone(query, index, answer);
  const missing = fan.told();
  const behind = [...answers].flatMap(([index, { behind: by }]) =>
    by === undefined ? [] : [{ number: index + 1, ...by }],
  );
  return {
    ...merged([...answers.values()], count, query.of),
    asked,
    ...(embedding && { embedding }),
    task: fan.firstTask,
    ...(embedded !== undefined && 'meaning' in embedded && { meaning: embedded.meaning }),
    ...(embedded !== undefined && 'words' in embedded && { wordsAlone: embedded.words }),
    ...(missing.length > 0 && { missing }),
    ...(behind.length > 0 && { behindShards: behind.toSorted((a, b) => a.number - b.number) }),
  };
}

const none = { words: [], meaning: [] };
