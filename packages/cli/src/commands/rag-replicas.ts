/** `grid rag replicas` and `grid rag move`: copies of a collection's shards, and which of them is its owner's. */
import { type Client, collectionNamed } from '@gryphgen/client';
import { type CollectionDocument, failure, GridError, limits } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { shardLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { onCollection } from './rag-collections.ts';

export const replicaCount = integer(0, limits.shardCopies);

export function replicasCommand(invocation: Invocation): Command {
  const command = onCollection(
    'replicas',
    'Show or say how many copies there are of each shard, on other machines with retrieval.',
    'rag replicas docs',
    'rag replicas docs 1',
  ).argument('[count]', `0 to ${limits.shardCopies}`);
  return runs<CommonFlags>(command, invocation, async (flags, [name = '', text]) => {
    const { terminal } = invocation;
    const replicas = text === undefined ? undefined : replicaCount.parse(text);
    if (text !== undefined && replicas === undefined)
      throw new UsageError(`found ${JSON.stringify(text)}, expected ${replicaCount.expected}`);
    const found = await withClient(terminal, flags, async (client) => {
      const known = await collectionNamed(client, name);
      return replicas === undefined ? known : await withReplicas(client, { name, replicas });
    });
    tell(terminal, found, flags.json === true);
    return 0;
  });
}

/** The collection is known from now on, with as many copies of each shard. Throws GridError where the broker keeps none. */
export async function withReplicas(
  client: Client,
  order: { readonly name: string; readonly shards?: number; readonly replicas: number },
): Promise<CollectionDocument> {
  const placed = await client.request('placeCollection', order);
  if (placed.replicas === order.replicas) return placed;
  throw new GridError(
    failure(
      'rejected.state',
      'the broker is of a version that keeps no copies of collections: upgrade it first',
    ),
  );
}

interface MoveFlags extends CommonFlags {
  readonly shard?: number;
  readonly to?: string;
  readonly anyway?: true;
}

export function moveCommand(invocation: Invocation): Command {
  const command = onCollection(
    'move',
    "Make a copy of a shard its owner's from now on (admins): the best there is, or that of a machine.",
    'rag move docs --to anvil',
    'rag move library --shard 2 --anyway',
  )
    .addOption(
      flagOf('--shard <number>', 'of a collection with several (default: 1)', integer(1, limits.shards)),
    )
    .addOption(new Option('--to <machine>', 'whose copy'))
    .addOption(new Option('--anyway', 'also a copy that lacks changes, which are lost then: sync again'));
  return runs<MoveFlags>(command, invocation, async (flags, [name = '']) => {
    const { terminal } = invocation;
    const { shard = 1, to, anyway, json } = flags;
    const found = await withClient(terminal, flags, async (client) => {
      const { shards } = await collectionNamed(client, name);
      const { epoch } = shards[shard - 1] ?? { epoch: 0 };
      const how = { ...(to !== undefined && { to }), ...(anyway && { anyway }) };
      return await client.request('moveShard', { name, index: shard - 1, epoch, ...how });
    });
    tell(terminal, found, json === true);
    return 0;
  });
}

function tell(terminal: Terminal, { name, replicas = 0, shards }: CollectionDocument, isJson: boolean): void {
  if (isJson) {
    const numbered = shards.map((shard, at) => ({ number: at + 1, ...shard }));
    printJson(terminal, { collection: name, replicas, shards: numbered });
    return;
  }
  for (const line of shardLines(shards)) terminal.out(`${line}\n`);
}
