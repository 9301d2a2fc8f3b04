/** What commands about collections have in common: the collection's name, who has it, and tasks that change it. */
import { type Client, ingestTask, listCollections, type Outcome } from '@gryphgen/client';
import {
  collectionPrefix,
  failure,
  formatTaskId,
  GridError,
  type IngestBody,
  type ListResult,
  type NodeDocument,
  unknownName,
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

/** Its log, what becomes of each part of it, goes to stderr. Throws GridError when it fails. */
export async function ingest(
  client: Client,
  terminal: Terminal,
  body: IngestBody,
  isHeld: boolean,
): Promise<Outcome> {
  const { accepted } = client.submit(ingestTask(body, isHeld));
  const outcome = await follow(client, terminal, await accepted, { output: terminal.errBytes, live: false });
  if (outcome.failure === null) return outcome;
  const { code, message } = outcome.failure;
  throw new GridError(failure(code, `${formatTaskId(outcome.task)}: ${message}`));
}

/** By the labels of workers, each the name of a collection that is there. */
export function namesAt(nodes: readonly NodeDocument[]): readonly string[] {
  return nodes.flatMap(({ report }) =>
    Object.keys(report?.labels ?? {})
      .filter((label) => label.startsWith(collectionPrefix))
      .map((label) => label.slice(collectionPrefix.length)),
  );
}

/** Throws `rejected.not-found`, with the name that was meant. */
export async function held(client: Client, name: string): Promise<void> {
  mustHave(await client.request('nodes', {}), name);
}

function mustHave(nodes: readonly NodeDocument[], name: string): void {
  const names = namesAt(nodes);
  if (names.includes(name)) return;
  throw new GridError(unknownName('collection', name, names, 'grid rag ls'));
}

/** Of all retrieval services; `only`: this one alone, which must be there. */
export async function collectionsOf(client: Client, only?: string): Promise<ListResult> {
  const nodes = await client.request('nodes', {});
  if (only !== undefined) mustHave(nodes, only);
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
