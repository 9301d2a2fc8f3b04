/**
 * A term's postings in one segment: which passages have it, and how often in each field.
 *
 *     varint(gap << 2 | code), then by code: 0 once in the body; 1 varint n, n times in the body;
 *     2 four varints, one a field; 3 none: a name, which is only there or not.
 *
 * Ordinals count from 0 and ascend; `gap` is the distance from the one before (from -1, less one).
 */

/** In the order of the four numbers. */
export const FIELDS = ['title', 'path', 'symbol', 'body'] as const;
export type Field = (typeof FIELDS)[number];

/** Of one posting: five numbers of 32 bits. */
const MOST_BYTES = 25;

export class PostingsWriter {
  #bytes = new Uint8Array(48);
  #length = 0;
  #last = -1;

  get byteLength(): number {
    return this.#length;
  }

  /** All four counts 0: a name. */
  add(ordinal: number, title: number, path: number, symbol: number, body: number): void {
    if (this.#length + MOST_BYTES > this.#bytes.length) this.#grow();
    const gap = ordinal - this.#last - 1;
    this.#last = ordinal;
    const onlyBody = (title | path | symbol) === 0;
    const code = onlyBody ? (body === 0 ? 3 : body === 1 ? 0 : 1) : 2;
    this.#varint(gap * 4 + code);
    if (code === 1) this.#varint(body);
    if (code !== 2) return;
    this.#varint(title);
    this.#varint(path);
    this.#varint(symbol);
    this.#varint(body);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length] = (rest & 127) | 128;
      this.#length += 1;
      rest >>>= 7;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Reads postings one by one: `next()`, then the five fields. */
export class PostingsReader {
  ordinal = -1;
  title = 0;
  path = 0;
  symbol = 0;
  body = 0;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const head = this.#varint();
    this.ordinal += (head >>> 2) + 1;
    const code = head & 3;
    if (code === 2) {
      this.title = this.#varint();
      this.path = this.#varint();
      this.symbol = this.#varint();
      this.body = this.#varint();
      return true;
    }
    this.title = 0;
    this.path = 0;
    this.symbol = 0;
    this.body = code === 0 ? 1 : code === 1 ? this.#varint() : 0;
    return true;
  }

  #varint(): number {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = this.#bytes[this.#at] as number;
      this.#at += 1;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
      shift += 7;
    }
  }
}
