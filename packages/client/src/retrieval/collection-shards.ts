/** Where the shards of a collection are, by the broker's word (E40). */
import {
  type CollectionDocument,
  GridError,
  type RequestArgs,
  type ShardDocument,
  type ShardName,
  unknownName,
} from '@gryphgen/protocol';

/** `request` of a `Client`. */
export interface CollectionsAsker {
  request(op: 'collections', args: RequestArgs<'collections'>): Promise<readonly CollectionDocument[]>;
}

/** Throws GridError: `rejected.not-found`, with the name that was meant. */
export async function collectionNamed(asker: CollectionsAsker, name: string): Promise<CollectionDocument> {
  const [found] = await asker.request('collections', { name });
  if (found !== undefined) return found;
  const names = (await asker.request('collections', {})).map((one) => one.name);
  throw new GridError(unknownName('collection', name, names, 'grid rag ls'));
}

/** Where a question about the shard goes: to its owner, or a copy that answers as well, where there are some (E43). */
export function askedShard({ name, shards }: CollectionDocument, index: number): ShardName {
  const hasCopies = (shards[index]?.copies?.length ?? 0) > 0;
  return { collection: name, index, ...(hasCopies && { at: 'any' }) };
}

/** Why nobody can be asked about the shard now; undefined where somebody can. */
export function unaskable({ worker, workerName, connected, copies = [] }: ShardDocument): string | undefined {
  if (connected || copies.some((copy) => copy.connected && copy.version > 0)) return undefined;
  const none = copies.length === 0 ? '' : ', and no copy that is whole is';
  if (worker === '') return `it has no owner: its machine was removed`;
  return `${workerName} is not connected${none}`;
}
