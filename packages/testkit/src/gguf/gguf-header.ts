/** The bytes of a GGUF header, as the format's third version has them: little endian, tensors at multiples of 32. */

/** Bytes of a block of so many values, by the name and number of ggml's type. */
export const tensorTypes = {
  f32: { id: 0, values: 1, bytes: 4 },
  f16: { id: 1, values: 1, bytes: 2 },
  q4_0: { id: 2, values: 32, bytes: 18 },
  q8_0: { id: 8, values: 32, bytes: 34 },
  q4_k: { id: 12, values: 256, bytes: 144 },
  q5_k: { id: 13, values: 256, bytes: 176 },
  q6_k: { id: 14, values: 256, bytes: 210 },
} as const;
export type TensorType = keyof typeof tensorTypes;

const codes = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
type Scalar = number | boolean | string;
export type MetadataValue =
  | { readonly type: 'u32' | 'i32' | 'f32' | 'bool' | 'string'; readonly value: Scalar }
  | {
      readonly type: 'array';
      readonly of: 'u32' | 'i32' | 'f32' | 'bool' | 'string';
      readonly values: readonly Scalar[];
    };
export type Metadata = Readonly<Record<string, MetadataValue>>;

export const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
export const f32 = (value: number): MetadataValue => ({ type: 'f32', value });
export const bool = (value: boolean): MetadataValue => ({ type: 'bool', value });
export const string = (value: string): MetadataValue => ({ type: 'string', value });
export const strings = (values: readonly string[]): MetadataValue => ({
  type: 'array',
  of: 'string',
  values,
});
export const i32s = (values: readonly number[]): MetadataValue => ({ type: 'array', of: 'i32', values });

export interface Tensor {
  readonly name: string;
  /** The one that changes fastest first. */
  readonly dims: readonly number[];
  readonly type: TensorType;
}

const ALIGNMENT = 32;
export const padding = (bytes: number): number => (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;

function tensorBytes({ dims, type }: Tensor): number {
  const { values, bytes } = tensorTypes[type];
  return (dims.reduce((a, b) => a * b, 1) / values) * bytes;
}

/** The header with its padding, and how many bytes of tensors come after it. */
export function ggufHeader(
  metadata: Metadata,
  tensors: readonly Tensor[],
): { readonly header: Buffer; readonly dataBytes: number } {
  const out: Buffer[] = [];
  const keys = Object.entries(metadata);
  out.push(Buffer.from('GGUF'), number('u32', 3), count(tensors.length), count(keys.length));
  for (const [key, value] of keys) out.push(text(key), valueBytes(value));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dims, type } = tensor;
    out.push(text(name), number('u32', dims.length), ...dims.map(count));
    out.push(number('u32', tensorTypes[type].id), count(offset));
    const bytes = tensorBytes(tensor);
    offset += bytes + padding(bytes);
  }
  const header = Buffer.concat(out);
  return { header: Buffer.concat([header, Buffer.alloc(padding(header.length))]), dataBytes: offset };
}

function valueBytes(value: MetadataValue): Buffer {
  if (value.type !== 'array')
    return Buffer.concat([number('u32', codes[value.type]), scalar(value.type, value.value)]);
  const { of, values } = value;
  const head = [number('u32', codes.array), number('u32', codes[of]), count(values.length)];
  return Buffer.concat([...head, ...values.map((each) => scalar(of, each))]);
}

function scalar(type: 'u32' | 'i32' | 'f32' | 'bool' | 'string', value: Scalar): Buffer {
  if (type === 'string') return text(String(value));
  if (type === 'bool') return Buffer.from([value ? 1 : 0]);
  return number(type, Number(value));
}

function number(type: 'u32' | 'i32' | 'f32', value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (type === 'u32') bytes.writeUInt32LE(value);
  else if (type === 'i32') bytes.writeInt32LE(value);
  else bytes.writeFloatLE(value);
  return bytes;
}

function count(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([count(bytes.length), bytes]);
}
