/**
 * Reads MessagePack that a stranger wrote. msgpackr writes our frames, but its reader is made for trusted data: it
 * builds RegExps, Errors and records with generated code for whoever asks, its bundled strings make a 1 MiB frame
 * cost minutes, and nesting overflows its stack. This one reads the plain types only, in one pass, and checks while
 * it reads, so that the hot path builds no array only to look into it.
 *
 * 1. Work and memory are linear in the frame: a count is believed only if that many bytes are left.
 * 2. Nesting is at most `maxDepth`; extension types, keys that are not strings and `__proto__` are refused.
 * 3. Bytes come back as views of the frame: copy what you keep.
 * 4. Whatever is wrong throws Malformed, whose words name the field. It is caught where the frame came in.
 */

/** Deeper than any message of ours; far from the stack's end. */
const maxDepth = 32;
const highWord = 0x1_0000_0000;

export class Malformed extends Error {}

/** Later versions may have more of them. */
export function need(what: string, positions: number, known: number): void {
  if (positions < known) throw new Malformed(`${what} has ${positions} fields, expected ${known}`);
}

export class MsgpackReader {
  private readonly bytes: Buffer;
  private position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.position === this.bytes.length;
  }

  /** How many elements the array that starts here has. */
  array(field: string): number {
    const token = this.byte(field);
    if (token >= 0x90 && token <= 0x9f) return this.counted(token & 0x0f, 1, field);
    if (token === 0xdc) return this.counted(this.unsigned(2, field), 1, field);
    if (token === 0xdd) return this.counted(this.unsigned(4, field), 1, field);
    throw new Malformed(`${field} must be a list`);
  }

  /** A whole number from `min` to `max`, both safe integers. */
  integer(field: string, min: number, max: number): number {
    const token = this.bytes[this.position];
    if (token !== undefined && token < 0x80) {
      this.position++;
      if (token >= min && token <= max) return token;
    } else {
      const value = this.number(field);
      if (Number.isSafeInteger(value) && value >= min && value <= max) return value + 0;
    }
    throw new Malformed(`${field} must be a whole number from ${min} to ${max}`);
  }

  /** A finite number. */
  number(field: string): number {
    const token = this.byte(field);
    const value = this.numberOf(token, field);
    if (value === undefined || !Number.isFinite(value)) throw new Malformed(`${field} must be a number`);
    return value;
  }

  boolean(field: string): boolean {
    const token = this.byte(field);
    if (token === 0xc2 || token === 0xc3) return token === 0xc3;
    throw new Malformed(`${field} must be true or false`);
  }

  /** Text of at most `maxBytes` bytes of UTF-8. */
  string(field: string, maxBytes: number): string {
    const length = this.stringLength(this.byte(field), field);
    if (length === undefined) throw new Malformed(`${field} must be text`);
    if (length > maxBytes)
      throw new Malformed(`${field} is ${length} bytes long, at most ${maxBytes} are allowed`);
    return this.text(length);
  }

  /** A view of at most `maxBytes` bytes. */
  binary(field: string, maxBytes: number): Uint8Array {
    const length = this.binaryLength(this.byte(field), field);
    if (length === undefined) throw new Malformed(`${field} must be bytes`);
    if (length > maxBytes)
      throw new Malformed(`${field} is ${length} bytes long, at most ${maxBytes} are allowed`);
    return this.view(length);
  }

  /** Whether nil starts here; steps over it. */
  nil(): boolean {
    if (this.bytes[this.position] !== 0xc0) return false;
    this.position++;
    return true;
  }

  nextIsString(): boolean {
    const token = this.bytes[this.position] ?? 0;
    return (token >= 0xa0 && token <= 0xbf) || (token >= 0xd9 && token <= 0xdb);
  }

  /** Steps over `count` values. */
  skip(count: number): void {
    for (let index = 0; index < count; index++) this.value('value');
  }

  /** Any plain value: null, boolean, number, string, bytes, list, map. */
  value(field: string, depth = 0): unknown {
    if (depth > maxDepth) throw new Malformed(`${field} is nested deeper than ${maxDepth}`);
    const token = this.byte(field);
    if (token >= 0x90 && token <= 0x9f) return this.list(token & 0x0f, field, depth);
    if (token >= 0x80 && token <= 0x8f) return this.map(token & 0x0f, field, depth);
    const length = this.stringLength(token, field);
    if (length !== undefined) return this.text(length);
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xdc:
        return this.list(this.unsigned(2, field), field, depth);
      case 0xdd:
        return this.list(this.unsigned(4, field), field, depth);
      case 0xde:
        return this.map(this.unsigned(2, field), field, depth);
      case 0xdf:
        return this.map(this.unsigned(4, field), field, depth);
      default:
    }
    const bytes = this.binaryLength(token, field);
    if (bytes !== undefined) return this.view(bytes);
    const value = this.numberOf(token, field);
    if (value === undefined)
      throw new Malformed(`${field} has a type that is not allowed (0x${token.toString(16)})`);
    return value;
  }

  private list(count: number, field: string, depth: number): unknown[] {
    this.counted(count, 1, field);
    const list: unknown[] = [];
    for (let index = 0; index < count; index++) list.push(this.value(field, depth + 1));
    return list;
  }

  private map(count: number, field: string, depth: number): Record<string, unknown> {
    this.counted(count, 2, field);
    const map: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      const key = this.string(`a key in ${field}`, this.bytes.length);
      if (key === '__proto__') throw new Malformed(`${field} has a key that is not allowed (__proto__)`);
      map[key] = this.value(field, depth + 1);
    }
    return map;
  }

  private stringLength(token: number, field: string): number | undefined {
    if (token >= 0xa0 && token <= 0xbf) return this.counted(token & 0x1f, 1, field);
    if (token < 0xd9 || token > 0xdb) return undefined;
    return this.counted(this.unsigned(2 ** (token - 0xd9), field), 1, field);
  }

  private binaryLength(token: number, field: string): number | undefined {
    if (token < 0xc4 || token > 0xc6) return undefined;
    return this.counted(this.unsigned(2 ** (token - 0xc4), field), 1, field);
  }

  /** Undefined when no number starts with `token`. Integers beyond 2^53 would lose digits and are refused. */
  private numberOf(token: number, field: string): number | undefined {
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    if (token >= 0xcc && token <= 0xce) return this.unsigned(2 ** (token - 0xcc), field);
    switch (token) {
      case 0xca:
        return this.bytes.readFloatBE(this.take(4, field));
      case 0xcb:
        return this.bytes.readDoubleBE(this.take(8, field));
      case 0xcf:
        return this.safe(this.unsigned(4, field) * highWord + this.unsigned(4, field), field);
      case 0xd0:
        return this.bytes.readInt8(this.take(1, field));
      case 0xd1:
        return this.bytes.readInt16BE(this.take(2, field));
      case 0xd2:
        return this.bytes.readInt32BE(this.take(4, field));
      case 0xd3:
        return this.safe(
          this.bytes.readInt32BE(this.take(4, field)) * highWord + this.unsigned(4, field),
          field,
        );
      default:
        return undefined;
    }
  }

  private safe(value: number, field: string): number {
    if (Number.isSafeInteger(value)) return value;
    throw new Malformed(`${field} is a whole number beyond 2^53`);
  }

  private text(length: number): string {
    const start = this.position;
    this.position += length;
    return length === 0 ? '' : this.bytes.toString('utf8', start, this.position);
  }

  /** Never a Buffer, whatever the frame is: the `slice` of one is no copy. */
  private view(length: number): Uint8Array {
    const { buffer, byteOffset } = this.bytes;
    const start = byteOffset + this.position;
    this.position += length;
    return new Uint8Array(buffer, start, length);
  }

  private byte(field: string): number {
    const token = this.bytes[this.position];
    if (token === undefined) throw new Malformed(`the frame ends before ${field}`);
    this.position++;
    return token;
  }

  private unsigned(size: number, field: string): number {
    return this.bytes.readUIntBE(this.take(size, field), size);
  }

  private take(size: number, field: string): number {
    const start = this.position;
    if (this.bytes.length - start < size) throw new Malformed(`the frame ends within ${field}`);
    this.position = start + size;
    return start;
  }

  /** `count` things of at least `size` bytes each must still fit in the frame (1). */
  private counted(count: number, size: number, field: string): number {
    if (count * size > this.bytes.length - this.position) {
      throw new Malformed(`${field} claims more than the frame holds`);
    }
    return count;
  }
}
