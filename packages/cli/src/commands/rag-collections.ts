/** What commands about collections have in common: the collection's name, who has it, and tasks that change it. */
import { type Client, collectionNamed, ingestTask, listCollections, type Outcome } from '@gryphgen/client';
import {
  type CollectionDocument,
  failure,
  formatTaskId,
  GridError,
  type IngestBody,
  type ListResult,
  type ShardDocument,
  shardsOfLabels,
} from '@gryphgen/protocol';
import { Argument, type Command } from 'commander';
import { gridCommand } from '../command.ts';
import { follow } from '../follow.ts';
import { UsageError } from '../problem.ts';
import { collection } from '../task-file/values.ts';
import type { Terminal } from '../terminal.ts';

/** A command about one collection. */
export function onCollection(name: string, summary: string, ...examples: readonly string[]): Command {
  const named = new Argument('<collection>', 'its name').argParser((text) => {
    if (collection.parse(text) !== undefined) return text;
    throw new UsageError(`found ${JSON.stringify(text)}, expected ${collection.expected}`);
  });
  return gridCommand(name, summary, ...examples).addArgument(named);
}

/**
 * What each shard's owner makes of it; the logs, what becomes of each part of it, go to stderr. `begins`: the collection is
 * known from now on, in so many shards where that is said. Throws GridError when it fails.
 */
export async function ingest(
  client: Client,
  terminal: Terminal,
  body: IngestBody,
  begins: boolean,
): Promise<readonly Outcome[]> {
  const { collection: name } = body;
  const { shards } = begins
    ? await client.request('placeCollection', { name })
    : await collectionNamed(client, name);
  return await ingestShards(client, terminal, body, [...shards.keys()]);
}

/** As `ingest`, by these shards alone. */
export async function ingestShards(
  client: Client,
  terminal: Terminal,
  body: IngestBody,
  shards: readonly number[],
): Promise<readonly Outcome[]> {
  const accepted = await Promise.all(shards.map((shard) => client.submit(ingestTask(body, shard)).accepted));
  const outcomes: Outcome[] = [];
  for (const task of accepted)
    outcomes.push(await follow(client, terminal, task, { output: terminal.errBytes, live: false }));
  // Of several shards one has the file that is meant, or none of a source.
  const found = outcomes.filter(({ failure: why }) => why?.code !== 'rejected.not-found');
  const told = found.length > 0 ? found : outcomes.slice(0, 1);
  for (const { task, failure: why } of told)
    if (why !== null) throw new GridError(failure(why.code, `${formatTaskId(task)}: ${why.message}`));
  return told;
}

export interface CopyLeftOut {
  /** Of its shard, from 1. */
  readonly number: number;
  readonly machine: string;
  readonly why: string;
}

interface CopyOutcomes {
  readonly copies: readonly Outcome[];
  readonly leftOut: readonly CopyLeftOut[];
}

/** What the copies of these shards make of it, each by a task of its own, after their owners. */
export async function ingestCopies(
  client: Client,
  body: IngestBody,
  shards: readonly ShardDocument[],
): Promise<CopyOutcomes> {
  const copies: Outcome[] = [];
  const leftOut: CopyLeftOut[] = [];
  const all = shards.flatMap(({ copies: had = [] }, at) => had.map((copy) => ({ ...copy, at })));
  await Promise.all(
    all.map(async ({ worker, workerName: machine, connected, at }) => {
      const outcome = connected ? await client.submit(ingestTask(body, at, worker)).finished : undefined;
      if (outcome?.failure === null) copies.push(outcome);
      else leftOut.push({ number: at + 1, machine, why: outcome?.failure?.message ?? 'it is away' });
    }),
  );
  return { copies, leftOut };
}

/** Throws `rejected.not-found`, with the name that was meant. */
export async function held(client: Client, name: string): Promise<void> {
  await collectionNamed(client, name);
}

export interface ListedShard extends ShardDocument {
  /** From 1. */
  readonly number: number;
}

type Listed = ListResult['collections'][number];
export interface ListedCollection extends Omit<Listed, 'shard'> {
  readonly shards: readonly ListedShard[];
}
export interface CollectionList {
  readonly collections: readonly ListedCollection[];
  readonly cut: boolean;
}

/** Of all retrieval services, what they own; `only`: this one alone, which must be there. */
export async function collectionsOf(client: Client, only?: string): Promise<CollectionList> {
  const nodes = await client.request('nodes', {});
  const known = await client.request('collections', {});
  const able = nodes.filter(
    ({ state, report }) => state === 'ready' && report?.capabilities.includes('retrieve'),
  );
  const all = await Promise.all(
    able.map(async ({ id }) => ({ worker: id, ...(await listCollections(client, id)) })),
  );
  const collections = known.flatMap((document) => {
    const owned = all.flatMap(({ worker, collections }) =>
      collections.filter(
        ({ name, shard: { index, of } = { index: 0, of: 1 } }) =>
          name === document.name &&
          of === document.shards.length &&
          tellerOf(document.shards[index]) === worker,
      ),
    );
    return listedCollection(document, owned);
  });
  const cut = all.some((one) => one.cut);
  if (only === undefined) return { collections, cut };
  const asked = collections.filter(({ name }) => name === only);
  if (asked.length > 0 || cut) return { collections: asked, cut };
  await collectionNamed(client, only);
  const here = nodes.some(({ report }) => shardsOfLabels(report?.labels ?? {}).has(only));
  // It is there, and left out of the lists of who may not ask it.
  throw new GridError(
    here
      ? failure('rejected.forbidden', `${only} is not for you: its owner or an admin says who may ask it`)
      : failure('rejected.not-found', `nothing of ${only} is on a machine that is connected`),
  );
}

/** Who tells what is in it: its owner, or while that is away the copy that is behind least. */
function tellerOf(shard: ShardDocument | undefined): string | undefined {
  if (shard === undefined || shard.connected) return shard?.worker;
  const there = (shard.copies ?? []).filter(({ connected, version }) => connected && version > 0);
  return there.toSorted((a, b) => b.version - a.version)[0]?.worker ?? shard.worker;
}

function listedCollection(
  { name, shards }: CollectionDocument,
  owned: readonly Listed[],
): readonly ListedCollection[] {
  const [{ shard: _, ...first } = { shard: undefined }] = owned;
  if (!('name' in first)) return [];
  const sources = new Map<string, Listed['sources'][number]>();
  for (const source of owned.flatMap((one) => one.sources)) {
    const key = `${source.machine}\n${source.path}`;
    const before = sources.get(key);
    sources.set(
      key,
      before === undefined
        ? source
        : {
            ...before,
            files: before.files + source.files,
            failedFiles: before.failedFiles + source.failedFiles,
            syncedAt: Math.min(before.syncedAt, source.syncedAt),
          },
    );
  }
  const lacking = owned.reduce((sum, { vectors }) => sum + (vectors?.lacking ?? 0), 0);
  return [
    {
      ...first,
      name,
      passages: owned.reduce((sum, { passages }) => sum + passages, 0),
      ...(first.vectors && { vectors: { ...first.vectors, lacking } }),
      sources: [...sources.values()],
      shards: shards.map((shard, index) => ({ number: index + 1, ...shard })),
    },
  ];
}
