/**
 * The header of one GGUF file, version 2 or 3: what it says of the model, and where each tensor lies. The file is held to
 * be hostile; each refusal is a GgufProblem that names the key or tensor and the byte.
 *
 * 1. Memory is bounded by `headerLimits`, not by what the file claims: long arrays and lists of texts, such as the
 *    vocabulary, are counted and skipped.
 * 2. Tensors lie within the file, where their type and dimensions say, and none over another.
 */
import { ByteCursor, type ByteSource, GgufProblem } from './byte-cursor.ts';
import { type TensorType, tensorTypes } from './quantization.ts';

/** The largest models have some 60 keys and 2,000 tensors; chat templates have up to 20 KiB. */
export const headerLimits = {
  keys: 4096,
  keyBytes: 1024,
  textBytes: 1024 * 1024,
  /** Values of an array that are kept; of longer ones only how many they are. Per-layer lists are far shorter. */
  arrayValues: 4096,
  /** Kept altogether. */
  keptBytes: 8 * 1024 * 1024,
  tensors: 65_536,
  /** ggml's own. */
  tensorNameBytes: 64,
  dimensions: 4,
  alignment: 65_536,
} as const;

export type GgufValue =
  | number
  | bigint
  | boolean
  | string
  | readonly (number | bigint | boolean)[]
  | { readonly count: number };

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly values: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  readonly fileBytes: number;
}

/** Throws a GgufProblem. */
export async function readHeader(source: ByteSource): Promise<GgufHeader> {
  const cursor = new ByteCursor(source);
  const version = await readVersion(cursor);
  const tensorCount = await countOf(cursor, 'the number of tensors', headerLimits.tensors);
  const keyCount = await countOf(cursor, 'the number of keys', headerLimits.keys);
  const metadata = await readMetadata(cursor, keyCount);
  const alignment = alignmentOf(metadata);
  const tensors: Placed[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(await readTensor(cursor, i, alignment));
  checkPlaces(tensors, Math.ceil(cursor.at / alignment) * alignment, source.bytes);
  return { version, metadata, tensors, fileBytes: source.bytes };
}

async function readVersion(cursor: ByteCursor): Promise<number> {
  if (cursor.bytes < 4 || (await cursor.take(4, 'the magic number')).toString('latin1') !== 'GGUF')
    throw new GgufProblem('it is not a GGUF file: it does not begin with "GGUF"');
  const version = await cursor.u32('the version');
  if (version === 2 || version === 3) return version;
  if (version !== 0 && (version & 0xffff) === 0)
    throw new GgufProblem('it is a big-endian GGUF file: llama.cpp reads those on big-endian machines alone');
  throw new GgufProblem(`its GGUF version is ${version}: 2 and 3 are read`);
}

async function countOf(cursor: ByteCursor, what: string, most: number): Promise<number> {
  const at = cursor.at;
  const count = await cursor.u64(what);
  if (count > most)
    throw new GgufProblem(`${what} is ${count}, at byte ${at}: more than the ${most} allowed`);
  return count;
}

async function readMetadata(cursor: ByteCursor, keyCount: number): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  let keptBytes = 0;
  for (let i = 0; i < keyCount; i++) {
    const at = cursor.at;
    const key = await cursor.text(headerLimits.keyBytes, `the name of key ${i}`);
    if (metadata.has(key)) throw new GgufProblem(`it has the key ${key} twice, again at byte ${at}`);
    const value = await readValue(cursor, key);
    metadata.set(key, value);
    keptBytes +=
      key.length + (typeof value === 'string' ? value.length : Array.isArray(value) ? value.length * 8 : 8);
    if (keptBytes > headerLimits.keptBytes)
      throw new GgufProblem(
        `its keys take more than ${headerLimits.keptBytes} bytes, by ${key} at byte ${at}`,
      );
  }
  return metadata;
}

type Scalar = number | bigint | boolean;
interface ScalarType {
  readonly bytes: number;
  readonly read: (from: Buffer, at: number) => Scalar;
}

/** By their numbers in the file. 8 is text, 9 an array. */
const scalars: ReadonlyMap<number, ScalarType> = new Map<number, ScalarType>([
  [0, { bytes: 1, read: (from, at) => from.readUInt8(at) }],
  [1, { bytes: 1, read: (from, at) => from.readInt8(at) }],
  [2, { bytes: 2, read: (from, at) => from.readUInt16LE(at) }],
  [3, { bytes: 2, read: (from, at) => from.readInt16LE(at) }],
  [4, { bytes: 4, read: (from, at) => from.readUInt32LE(at) }],
  [5, { bytes: 4, read: (from, at) => from.readInt32LE(at) }],
  [6, { bytes: 4, read: (from, at) => from.readFloatLE(at) }],
  [7, { bytes: 1, read: (from, at) => from.readUInt8(at) !== 0 }],
  [10, { bytes: 8, read: (from, at) => from.readBigUInt64LE(at) }],
  [11, { bytes: 8, read: (from, at) => from.readBigInt64LE(at) }],
  [12, { bytes: 8, read: (from, at) => from.readDoubleLE(at) }],
]);
const textType = 8;
const arrayType = 9;

async function readValue(cursor: ByteCursor, key: string): Promise<GgufValue> {
  const at = cursor.at;
  const type = await cursor.u32(`the type of ${key}`);
  if (type === textType) return cursor.text(headerLimits.textBytes, key);
  if (type === arrayType) return readArray(cursor, key);
  const scalar = scalars.get(type);
  if (scalar === undefined) throw new GgufProblem(`${key} is of the unknown type ${type}, at byte ${at}`);
  return scalar.read(await cursor.take(scalar.bytes, key), 0);
}

async function readArray(cursor: ByteCursor, key: string): Promise<GgufValue> {
  const at = cursor.at;
  const type = await cursor.u32(`the type of ${key}`);
  const count = await cursor.u64(`the length of ${key}`);
  if (type === textType) {
    await cursor.skipTexts(count, key);
    return { count };
  }
  if (type === arrayType)
    throw new GgufProblem(`${key} is an array of arrays, at byte ${at}: no model has one`);
  const scalar = scalars.get(type);
  if (scalar === undefined)
    throw new GgufProblem(`${key} is an array of the unknown type ${type}, at byte ${at}`);
  if (count > headerLimits.arrayValues) {
    cursor.skip(count * scalar.bytes, key);
    return { count };
  }
  const bytes = await cursor.take(count * scalar.bytes, key);
  return Array.from({ length: count }, (_, i) => scalar.read(bytes, i * scalar.bytes));
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const isPower = typeof alignment === 'number' && Number.isInteger(Math.log2(alignment)) && alignment >= 8;
  if (!isPower || alignment > headerLimits.alignment)
    throw new GgufProblem(
      `general.alignment is not a power of two from 8 to ${headerLimits.alignment} but ${String(alignment)}`,
    );
  return alignment;
}

interface Placed extends GgufTensor {
  /** From the end of the header. */
  readonly offset: number;
}

async function readTensor(cursor: ByteCursor, index: number, alignment: number): Promise<Placed> {
  const name = await cursor.text(headerLimits.tensorNameBytes, `the name of tensor ${index}`);
  const at = cursor.at;
  const refuse = (why: string): GgufProblem => new GgufProblem(`tensor ${name} ${why}, at byte ${at}`);
  const dimensions = await cursor.u32(`the dimensions of ${name}`);
  if (dimensions < 1 || dimensions > headerLimits.dimensions) throw refuse(`has ${dimensions} dimensions`);
  let values = 1;
  let row = 1;
  for (let i = 0; i < dimensions; i++) {
    const length = await cursor.u64(`a dimension of ${name}`);
    if (length === 0) throw refuse('has a dimension of 0');
    values *= length;
    if (values > Number.MAX_SAFE_INTEGER) throw refuse(`has ${values} values`);
    if (i === 0) row = length;
  }
  const typeId = await cursor.u32(`the type of ${name}`);
  const type = tensorTypes.get(typeId);
  if (type === undefined) throw refuse(`is of the unknown type ${typeId}`);
  if (row % type.values !== 0)
    throw refuse(`has rows of ${row} values, and ${type.name} has blocks of ${type.values}`);
  const offset = await cursor.u64(`the offset of ${name}`);
  if (offset % alignment !== 0) throw refuse(`lies at ${offset}, which is no multiple of ${alignment}`);
  return { name, type, values, bytes: (values / type.values) * type.bytes, offset };
}

function checkPlaces(tensors: readonly Placed[], dataAt: number, fileBytes: number): void {
  const names = new Set<string>();
  let before: Placed | undefined;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
    const { name, offset, bytes } = tensor;
    if (names.has(name)) throw new GgufProblem(`it has the tensor ${name} twice`);
    names.add(name);
    if (before !== undefined && offset < before.offset + before.bytes)
      throw new GgufProblem(`the tensors ${before.name} and ${name} overlap, at byte ${dataAt + offset}`);
    if (dataAt + offset + bytes > fileBytes)
      throw new GgufProblem(
        `tensor ${name} ends at byte ${dataAt + offset + bytes}, and the file at ${fileBytes}: is it whole?`,
      );
    before = tensor;
  }
}
