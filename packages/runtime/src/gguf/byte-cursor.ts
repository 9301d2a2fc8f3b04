/**
 * Reads a file from its beginning on, in chunks, without holding more than one.
 *
 * 1. What lies past the end is refused before anything is made room for.
 * 2. `kept` bounds what one value may take; what is skipped costs nothing, whatever it claims to be.
 */

export interface ByteSource {
  readonly bytes: number;
  /** Exactly those bytes: `offset + length` is never past the end. */
  readonly read: (offset: number, length: number) => Promise<Buffer>;
}

/** The file is not what it should be; the message says where and why. */
export class GgufProblem extends Error {
  override readonly name = 'GgufProblem';
}

const chunkBytes = 256 * 1024;
/** Ten times the largest vocabulary there is: bounds the time that a file full of tiny texts takes. */
const maxHeaderBytes = 128 * 1024 * 1024;

export class ByteCursor {
  private readonly source: ByteSource;
  private chunk: Buffer = Buffer.alloc(0);
  /** Of the chunk's first byte. */
  private begins = 0;
  /** Of the next byte. */
  at = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  get bytes(): number {
    return this.source.bytes;
  }

  get left(): number {
    return this.source.bytes - this.at;
  }

  /** The next bytes, good until the next call. */
  async take(length: number, what: string): Promise<Buffer> {
    await this.have(length, what);
    const from = this.at - this.begins;
    this.at += length;
    return this.chunk.subarray(from, from + length);
  }

  async u32(what: string): Promise<number> {
    return (await this.take(4, what)).readUInt32LE();
  }

  /** At most 2^53 - 1. */
  async u64(what: string): Promise<number> {
    const at = this.at;
    const value = (await this.take(8, what)).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new GgufProblem(`${what} is ${value}, at byte ${at}: no file is that large`);
    return Number(value);
  }

  /** A length and so many bytes of UTF-8. */
  async text(maxBytes: number, what: string): Promise<string> {
    const at = this.at;
    const length = await this.u64(`the length of ${what}`);
    this.mustHold(length, what);
    if (length > maxBytes)
      throw new GgufProblem(`${what} has ${length} bytes, at byte ${at}: more than the ${maxBytes} allowed`);
    return (await this.take(length, what)).toString('utf8');
  }

  skip(length: number, what: string): void {
    this.mustHold(length, what);
    this.at += length;
  }

  /** So many texts, each skipped. Synchronous within a chunk: a vocabulary has some 100,000. */
  async skipTexts(count: number, what: string): Promise<void> {
    for (let done = 0; done < count; done++) {
      const from = this.at - this.begins;
      if (from < 0 || from + 8 > this.chunk.length) await this.have(8, what);
      const length = this.chunk.readBigUInt64LE(this.at - this.begins);
      this.at += 8;
      if (length > BigInt(this.left))
        throw new GgufProblem(
          `${what} ends past the end of the file: text ${done} of ${count}, at byte ${this.at}`,
        );
      this.at += Number(length);
    }
  }

  private async have(length: number, what: string): Promise<void> {
    this.mustHold(length, what);
    if (this.at > maxHeaderBytes)
      throw new GgufProblem(`its header goes on past byte ${maxHeaderBytes}, with ${what}`);
    const from = this.at - this.begins;
    if (from >= 0 && from + length <= this.chunk.length) return;
    const wanted = Math.min(this.left, Math.max(length, chunkBytes));
    this.chunk = await this.source.read(this.at, wanted);
    this.begins = this.at;
  }

  private mustHold(length: number, what: string): void {
    if (length > this.left)
      throw new GgufProblem(
        `${what} ends past the end of the file: ${length} bytes from byte ${this.at} of ${this.bytes}`,
      );
  }
}
