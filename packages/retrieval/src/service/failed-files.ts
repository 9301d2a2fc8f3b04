/** Which files of a collection could not be read, and why: all of them, from answer to answer. */
import type { FailedResult } from '@gryphgen/protocol';
import type { Store } from '../store/store.ts';
import { machineOf, pathOf } from './file-key.ts';

/** Of a cause, what is told. */
export const causeChars = 160;
/** Of a path: so much, and what is around it, an answer holds in any writing. */
const pathChars = 1000;
/** Looked at for one answer: their names fill it sooner. */
const mostLooked = 512;

/** As many as `maxBytes` of JSON hold; one does. */
export async function failedFiles(
  store: Store,
  collection: string,
  skip: number,
  maxBytes: number,
): Promise<FailedResult> {
  const found = await store.failed(collection, skip, mostLooked);
  const { total } = found;
  let left = maxBytes - JSON.stringify({ failed: [], total }).length;
  const failed: FailedResult['failed'] = [];
  for (const { key, cause } of found.failed) {
    const path = pathOf(key);
    const row = {
      machine: machineOf(key),
      path: path.length > pathChars ? `…${path.slice(-pathChars)}` : path,
      cause: cause.slice(0, causeChars),
    };
    left -= Buffer.byteLength(JSON.stringify(row)) + 1;
    if (left < 0) break;
    failed.push(row);
  }
  return { failed, total };
}
