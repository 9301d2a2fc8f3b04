/**
 * An artifact's chunks in one row, numbered over all its files, and which of them are wanted: what a transfer sends, and
 * what a transfer that was cut goes on with.
 */
import { createHash } from 'node:crypto';
import { type Entry, type FileEntry, type Manifest, pieceBytes } from './manifest.ts';

const digestBytes = 32;
/** One question for chunks holds so many runs of them; then it asks for all that follow. */
const maxRuns = 1024;

/** A content that is in the artifact, however often. */
export interface Content {
  /** Its name in a store: by its bytes, and by whether they may be executed, since a file has one mode. */
  readonly id: string;
  readonly entry: FileEntry;
  /** The number of its first chunk. */
  readonly first: number;
  readonly count: number;
}

export interface Piece {
  readonly content: Content;
  /** Offset in the file. */
  readonly at: number;
  readonly bytes: number;
  readonly digest: Buffer;
  readonly isHole: boolean;
}

/** Runs of chunks: first, count, first, count, … */
export type Runs = readonly number[];

let hole: Buffer | undefined;
export function holeDigest(): Buffer {
  hole ??= createHash('sha256').update(Buffer.alloc(pieceBytes)).digest();
  return hole;
}

export function contentId({
  bytes,
  executable,
  chunks,
}: Pick<FileEntry, 'bytes' | 'executable' | 'chunks'>): string {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(bytes));
  return `${createHash('sha256').update(size).update(chunks).digest('hex')}${executable ? 'x' : ''}`;
}

export class Pieces {
  readonly contents: readonly Content[];
  readonly count: number;
  /** By the path of a file. */
  private readonly byPath = new Map<string, Content>();

  constructor({ entries }: Pick<Manifest, 'entries'>) {
    const contents = new Map<string, Content>();
    let next = 0;
    for (const entry of entries) {
      if (!isFile(entry)) continue;
      const id = contentId(entry);
      const known = contents.get(id);
      const count = entry.chunks.length / digestBytes;
      const content = known ?? { id, entry, first: next, count };
      if (known === undefined) next += count;
      contents.set(id, content);
      this.byPath.set(entry.path, content);
    }
    this.contents = [...contents.values()];
    this.count = next;
  }

  contentAt(path: string): Content {
    const content = this.byPath.get(path);
    if (content === undefined) throw new Error(`the artifact has no file ${path}`);
    return content;
  }

  /** `number` below `count`. */
  piece(number: number): Piece {
    let [low, high] = [0, this.contents.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.contents[middle] as Content).first <= number) low = middle;
      else high = middle - 1;
      // Empty files share their number with what follows: the last of them has it.
    }
    const content = this.contents[low] as Content;
    return pieceOf(content, number - content.first);
  }

  /** All that are no holes and for which `isWanted` says so. */
  runs(isWanted: (piece: number) => boolean): Runs {
    const runs: number[] = [];
    for (let number = 0; number < this.count; number += 1) {
      if (!isWanted(number) || this.piece(number).isHole) continue;
      const [first = 0, count = 0] = runs.slice(-2);
      if (runs.length > 0 && first + count === number) runs[runs.length - 1] = count + 1;
      else if (runs.length >= 2 * maxRuns) {
        runs[runs.length - 1] = this.count - first;
        break;
      } else runs.push(number, 1);
    }
    return runs;
  }

  /** Those of the runs that are sent, in order; undefined where the runs are not of this artifact. */
  numbers(runs: Runs): readonly number[] | undefined {
    const numbers: number[] = [];
    let least = 0;
    for (let at = 0; at < runs.length; at += 2) {
      const [first = -1, count = 0] = runs.slice(at, at + 2);
      if (first < least || count < 1 || first + count > this.count) return undefined;
      for (let number = first; number < first + count; number += 1)
        if (!this.piece(number).isHole) numbers.push(number);
      least = first + count;
    }
    return runs.length > 2 * maxRuns ? undefined : numbers;
  }

  /** Of the chunks with these numbers. */
  bytesOf(numbers: readonly number[]): number {
    return numbers.reduce((sum, number) => sum + this.piece(number).bytes, 0);
  }
}

export function pieceOf(content: Content, nth: number): Piece {
  const { bytes, chunks } = content.entry;
  const at = nth * pieceBytes;
  const digest = chunks.subarray(nth * digestBytes, (nth + 1) * digestBytes);
  const length = Math.min(pieceBytes, bytes - at);
  return { content, at, bytes: length, digest, isHole: length === pieceBytes && digest.equals(holeDigest()) };
}

/** What a content takes on disk. */
export function storedBytes(content: Content): number {
  let bytes = 0;
  for (let nth = 0; nth < content.count; nth += 1) {
    const piece = pieceOf(content, nth);
    if (!piece.isHole) bytes += piece.bytes;
  }
  return bytes;
}

function isFile(entry: Entry): entry is FileEntry {
  return entry.kind === 'file';
}
