/** So many bytes, gathered from pieces of any size at the cost of the bytes alone. */
export class GatheredBytes {
  readonly bytes: Buffer;
  private filled = 0;

  constructor(length: number) {
    this.bytes = Buffer.alloc(length);
  }

  get missing(): number {
    return this.bytes.length - this.filled;
  }

  get isEmpty(): boolean {
    return this.filled === 0;
  }

  /** No more than is missing. */
  add(piece: Uint8Array): void {
    this.bytes.set(piece, this.filled);
    this.filled += piece.length;
  }
}
