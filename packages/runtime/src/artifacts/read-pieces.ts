/**
 * Reads an artifact's chunks from the files they are in, to send, check or copy them.
 *
 * 1. The next read is under way while its taker is busy with the last, each in one of two buffers of `readBytes`. They are
 *    used over and over: of a large file a new one for each read is more work for the garbage collector than hashing it.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Piece } from './pieces.ts';

/** Small enough that hashing one leaves the event loop its turn. */
export const readBytes = 256 * 1024;

interface Part {
  readonly id: string;
  readonly at: number;
  readonly length: number;
}

/** The bytes of these pieces, in their order, each good until the next are asked for. Throws what the file system says; a file that became shorter ends early. */
export async function* readPieces(
  pieces: Iterable<Piece>,
  pathOf: (id: string) => string,
): AsyncGenerator<Uint8Array, void> {
  const reader = new PartReader(pathOf);
  const parts = partsOf(pieces);
  const begin = () => {
    const { value: part } = parts.next();
    if (!part) return undefined;
    const reading = reader.read(part);
    // It is heard of where it is awaited; not at all when its taker has left.
    reading.catch(() => undefined);
    return { reading, length: part.length };
  };
  let ahead = begin();
  try {
    while (ahead !== undefined) {
      const bytes = await ahead.reading;
      ahead = bytes.length < ahead.length ? undefined : begin();
      if (bytes.length > 0) yield bytes;
    }
  } finally {
    await ahead?.reading.catch(() => undefined);
    await reader.close();
  }
}

function* partsOf(pieces: Iterable<Piece>): Generator<Part, void> {
  for (const { content, at, bytes } of pieces)
    for (let done = 0; done < bytes; done += readBytes)
      yield { id: content.id, at: at + done, length: Math.min(readBytes, bytes - done) };
}

/** One file at a time, the one that was read last. */
class PartReader {
  private readonly pathOf: (id: string) => string;
  private id = '';
  private file: FileHandle | undefined;
  private readonly buffers: Buffer[] = [];
  private reads = 0;

  constructor(pathOf: (id: string) => string) {
    this.pathOf = pathOf;
  }

  async read({ id, at, length }: Part): Promise<Uint8Array> {
    const file = await this.fileOf(id);
    const buffer = this.buffers[this.reads % 2] ?? Buffer.allocUnsafeSlow(readBytes);
    this.buffers[this.reads % 2] = buffer;
    this.reads += 1;
    const { bytesRead } = await file.read(buffer, 0, length, at);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }

  private async fileOf(id: string): Promise<FileHandle> {
    if (this.file !== undefined && this.id === id) return this.file;
    await this.close();
    this.file = await openFile(this.pathOf(id));
    this.id = id;
    return this.file;
  }
}

/** A file and nothing else: a pipe would wait for its writer, a link lead elsewhere. */
export async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error(`${path} is no file any more`);
}
