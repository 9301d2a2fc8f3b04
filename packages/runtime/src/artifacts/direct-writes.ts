/**
 * Writing large files past the system's page cache (O_DIRECT). Through it each page is found, filled, and written by
 * somebody later: as much work as the hash of what is in it, and what was cached before goes. It suits who keeps files that others
 * read, seldom soon.
 *
 * 1. Memory for it begins on a page, which no Buffer promises. All there is of it is `lent` in pairs, and there are `maxPairs`:
 *    whoever finds none writes as everybody does.
 * 2. Where a file system knows no such writes they are none: nothing depends on them.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Positions and lengths of such writes are multiples of this: the largest sectors there are. */
export const directUnitBytes = 4096;
/** One write: what keeps a disk busy that is asked one at a time. */
const batchBytes = 512 * 1024;
/** Files that are written so at a time: 16 MiB of memory in all. */
const maxPairs = 16;

/** Of WebAssembly: its memory is the one kind in JavaScript that begins on a page. */
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};
const wasmPageBytes = 64 * 1024;

export type BatchPair = readonly [Buffer, Buffer];

export class DirectMemory {
  private free: BatchPair[] | undefined;

  /** To be given back. Undefined: there is none now. */
  lend(): BatchPair | undefined {
    this.free ??= makePairs();
    return this.free.pop();
  }

  giveBack(pair: BatchPair): void {
    this.free?.push(pair);
  }
}

/** For writes alone, in pieces of `directUnitBytes`. Undefined where the file system knows no such thing. */
export async function openDirect(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_WRONLY | constants.O_DIRECT);
  } catch (error) {
    if (isNotOffered(error)) return undefined;
    throw error;
  }
}

/** What a file system says to such an opening or write that it cannot do. */
export function isNotOffered(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP')
  );
}

function makePairs(): BatchPair[] {
  const { buffer } = new WebAssembly.Memory({ initial: (maxPairs * 2 * batchBytes) / wasmPageBytes });
  const batch = (nth: number): Buffer => Buffer.from(buffer, nth * batchBytes, batchBytes);
  return Array.from({ length: maxPairs }, (_, nth) => [batch(2 * nth), batch(2 * nth + 1)]);
}
