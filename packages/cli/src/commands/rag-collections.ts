/** What commands about collections have in common: the collection's name, who has it, and tasks that change it. */
import { type Client, collectionNamed, ingestTask, listCollections, type Outcome } from '@gryphgen/client';
import { failure, formatTaskId, GridError, type IngestBody, type ListResult } from '@gryphgen/protocol';
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
  const tasks = shards.map((_, index) => client.submit(ingestTask(body, index)).accepted);
  const accepted = await Promise.all(tasks);
  const outcomes: Outcome[] = [];
  for (const task of accepted)
    outcomes.push(await follow(client, terminal, task, { output: terminal.errBytes, live: false }));
  for (const { task, failure: why } of outcomes)
    if (why !== null) throw new GridError(failure(why.code, `${formatTaskId(task)}: ${why.message}`));
  return outcomes;
}

/** Throws `rejected.not-found`, with the name that was meant. */
export async function held(client: Client, name: string): Promise<void> {
  await collectionNamed(client, name);
}

/** Of all retrieval services; `only`: this one alone, which must be there. */
export async function collectionsOf(client: Client, only?: string): Promise<ListResult> {
  const nodes = await client.request('nodes', {});
  if (only !== undefined) await collectionNamed(client, only);
  const able = nodes.filter(
    ({ state, report }) => state === 'ready' && report?.capabilities.includes('retrieve'),
  );
  const all = await Promise.all(able.map(({ id }) => listCollections(client, id)));
  const collections = all.flatMap((one) => one.collections);
  const cut = all.some((one) => one.cut);
  if (only === undefined) return { collections, cut };
  const asked = collections.filter(({ name }) => name === only);
  // It is there, and left out of the lists of who may not ask it.
  if (asked.length === 0 && !cut)
    throw new GridError(
      failure('rejected.forbidden', `${only} is not for you: its owner or an admin says who may ask it`),
    );
  return { collections: asked, cut };
}
