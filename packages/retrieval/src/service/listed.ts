/** Collections as a list tells of them. */
import type { ListResult } from '@gryphgen/protocol';
import type { Store } from '../store/store.ts';
import { isOf } from './file-key.ts';
import type { Meaning } from './meaning.ts';
import type { Roots } from './roots.ts';
import { shardOfUnit } from './shard-units.ts';

/** At most `maxBytes` of JSON. */
export async function listed(
  store: Store,
  meaning: Meaning,
  roots: Roots,
  names: readonly string[],
  maxBytes: number,
): Promise<ListResult> {
  const collections: ListResult['collections'] = [];
  let left = maxBytes - 64;
  for (const name of names) {
    const files = await store.sources(name);
    const sources = roots.of(name).map((root) => {
      const own = files.filter(({ key }) => isOf(key, root));
      const failedFiles = own.filter(({ cause }) => cause !== null).length;
      return { ...root, files: own.length - failedFiles, failedFiles };
    });
    const passages = files.reduce((sum, { chunks }) => sum + chunks, 0);
    const { owner = null, readers } = roots.accessOf(name) ?? {};
    const redacts = roots.redactionOf(name)?.kinds;
    const vectors = await meaning.of(name);
    const whose = { ...(owner !== null && { owner }), readers, redacts };
    const { collection, index, of } = shardOfUnit(name);
    const row = {
      name: collection,
      ...(of > 1 && { shard: { index, of } }),
      passages,
      ...whose,
      ...(vectors && { vectors }),
      sources,
    };
    left -= Buffer.byteLength(JSON.stringify(row)) + 1;
    if (left < 0) return { collections, cut: true };
    collections.push(row);
  }
  return { collections, cut: false };
}
