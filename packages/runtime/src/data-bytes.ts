/**
 * The two messages of a data endpoint that carry bytes, `input` and `chunk`, written and read without the general ways:
 * of a large transfer they are all that matters, and those take longer than hashing what is in them.
 *
 * 1. What is written is plain MessagePack of the shapes in data-wire.ts: any reader reads it.
 * 2. What is read is what is written here, to the byte. Anything else is undefined, and for the general reader.
 */

const inputHead = head(0x82, ['kind', 'input']);
const chunkHead = head(0x83, ['kind', 'chunk'], 'offset');
const bytesKey = text('bytes');
const uint64 = 0xcf;
const bin32 = 0xc6;
const offsetBytes = 8;
const lengthBytes = 4;
const highWord = 0x1_0000_0000;
const mostHigh = 0x1f_ffff;
const inputRest = bytesKey.length + 1 + lengthBytes;
const chunkRest = 1 + offsetBytes + inputRest;

export function encodeInput(bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(inputHead.length + inputRest + bytes.length);
  inputHead.copy(frame);
  writeBytes(frame, inputHead.length, bytes);
  return frame;
}

export function encodeChunk(offset: number, bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(chunkHead.length + chunkRest + bytes.length);
  chunkHead.copy(frame);
  let at = chunkHead.length;
  at = frame.writeUInt8(uint64, at);
  at = frame.writeUInt32BE(Math.floor(offset / highWord), at);
  at = frame.writeUInt32BE(offset % highWord, at);
  writeBytes(frame, at, bytes);
  return frame;
}

/** The bytes of an `input`, a view of the frame. */
export function decodeInput(frame: Buffer): Uint8Array | undefined {
  return startsWith(frame, inputHead) ? bytesAt(frame, inputHead.length) : undefined;
}

/** A `chunk` without the name of an output. */
export function decodeChunk(frame: Buffer): { offset: number; bytes: Uint8Array } | undefined {
  if (!startsWith(frame, chunkHead)) return undefined;
  const at = chunkHead.length;
  if (frame.length < at + chunkRest || frame[at] !== uint64) return undefined;
  const high = frame.readUInt32BE(at + 1);
  const bytes = bytesAt(frame, at + 1 + offsetBytes);
  if (bytes === undefined || high > mostHigh) return undefined;
  return { offset: high * highWord + frame.readUInt32BE(at + 1 + lengthBytes), bytes };
}

function writeBytes(frame: Buffer, start: number, bytes: Uint8Array): void {
  let at = start + bytesKey.copy(frame, start);
  at = frame.writeUInt8(bin32, at);
  at = frame.writeUInt32BE(bytes.length, at);
  frame.set(bytes, at);
}

/** To the frame's end, no more and no less. Never a Buffer: the `slice` of one is no copy. */
function bytesAt(frame: Buffer, start: number): Uint8Array | undefined {
  const at = start + bytesKey.length;
  const first = at + 1 + lengthBytes;
  if (frame.length < first || bytesKey.compare(frame, start, at) !== 0 || frame[at] !== bin32)
    return undefined;
  const length = frame.readUInt32BE(at + 1);
  if (length !== frame.length - first) return undefined;
  return new Uint8Array(frame.buffer, frame.byteOffset + first, length);
}

function startsWith(frame: Buffer, start: Buffer): boolean {
  return frame.length >= start.length && start.compare(frame, 0, start.length) === 0;
}

/** A map of so many entries, up to the value of its last key here. */
function head(map: number, ...parts: readonly (string | readonly [string, string])[]): Buffer {
  return Buffer.concat([Buffer.of(map), ...parts.flat().map(text)]);
}

/** Of at most 31 bytes. */
function text(words: string): Buffer {
  return Buffer.concat([Buffer.of(0xa0 + words.length), Buffer.from(words)]);
}
