/** One header of a tar: 512 bytes before each entry. */

export const tarBlockBytes = 512;

const checksumAt = 148;
const checksumBytes = 8;
/** The most that eleven octal digits say. */
const mostOctal = 8 ** 11 - 1;

export interface TarHeader {
  readonly name: string;
  /** One character: `0` a file, `2` a symbolic link, `5` a folder, `x` what is said of the next entry, … */
  readonly type: string;
  readonly bytes: number;
  readonly target: string;
  readonly executable: boolean;
}

/** Of a file that everybody may read, or of what `type` says. `name`: ASCII, at most 100 characters. */
export function writeTarHeader(name: string, bytes: number, type = '0', executable = false): Buffer {
  const header = Buffer.alloc(tarBlockBytes);
  header.write(name, 0, 100, 'latin1');
  header.write(`${executable ? '0000755' : '0000644'}\x000000000\x000000000\0`, 100, 'latin1');
  if (bytes <= mostOctal) header.write(`${octal(bytes, 11)}\0`, 124, 'latin1');
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(bytes), 128);
  }
  header.write(`${octal(0, 11)}\0`, 136, 'latin1');
  header.write(type, 156, 1, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(`${octal(checksumOf(header), 6)}\0 `, checksumAt, 'latin1');
  return header;
}

/** Undefined when it is none. */
export function readTarHeader(block: Buffer): TarHeader | undefined {
  if (octalAt(block, checksumAt, checksumBytes) !== checksumOf(block)) return undefined;
  const bytes = numberAt(block, 124, 12);
  if (bytes === undefined) return undefined;
  const executable = ((octalAt(block, 100, 8) ?? 0) & 0o111) !== 0;
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? textAt(block, 345, 155) : '';
  const name = textAt(block, 0, 100);
  const type = block[156] === 0 ? (name.endsWith('/') ? '5' : '0') : String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type,
    bytes,
    target: textAt(block, 157, 100),
    executable,
  };
}

export function tarPadding(bytes: number): number {
  return (tarBlockBytes - (bytes % tarBlockBytes)) % tarBlockBytes;
}

function checksumOf(block: Buffer): number {
  let sum = 0;
  // Not by an iterator: layers have headers by the hundred thousand.
  for (let at = 0; at < tarBlockBytes; at += 1)
    sum += at >= checksumAt && at < checksumAt + checksumBytes ? 0x20 : (block[at] ?? 0);
  return sum;
}

/** Octal, or big-endian behind a set bit where that does not suffice. */
function numberAt(block: Buffer, at: number, length: number): number | undefined {
  if (((block[at] ?? 0) & 0x80) === 0) return octalAt(block, at, length);
  const number = block.readBigUInt64BE(at + length - 8);
  const isSafe =
    block[at] === 0x80 &&
    block.subarray(at + 1, at + length - 8).every((byte) => byte === 0) &&
    number <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(number) : undefined;
}

function octalAt(block: Buffer, at: number, length: number): number | undefined {
  const text = block.toString('latin1', at, at + length).replace(/^[\0 ]+|[\0 ]+$/g, '');
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function textAt(block: Buffer, at: number, length: number): string {
  const bytes = block.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? length : end);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
