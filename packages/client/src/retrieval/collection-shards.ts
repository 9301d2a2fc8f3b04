/** Where the shards of a collection are, by the broker's word (E40). */
import { type CollectionDocument, GridError, type RequestArgs, unknownName } from '@gryphgen/protocol';

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
