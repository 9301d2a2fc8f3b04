/** Writes a model: the same bytes for the same arguments, and never half a file under its final name. */
import { open, rename } from 'node:fs/promises';
import { ggufHeader, type Metadata, padding, type Tensor } from './gguf-header.ts';
import { half } from './seeded-numbers.ts';

/** Made when it is written, so that one tensor is held at a time. */
export type FilledTensor = Tensor & { readonly type: 'f32' | 'f16'; readonly values: () => Float32Array };

export async function writeGguf(
  path: string,
  metadata: Metadata,
  tensors: readonly FilledTensor[],
): Promise<void> {
  const { header } = ggufHeader(metadata, tensors);
  await written(path, async (append) => {
    await append(header);
    for (const tensor of tensors) {
      const bytes = weightBytes(tensor);
      await append(bytes);
      await append(Buffer.alloc(padding(bytes.length)));
    }
  });
}

/** A header and a hole where the weights would be: takes no room, whatever its size. Returns the bytes it seems to have. */
export async function writeSparseGguf(
  path: string,
  metadata: Metadata,
  tensors: readonly Tensor[],
): Promise<number> {
  const { header, dataBytes } = ggufHeader(metadata, tensors);
  const bytes = header.length + dataBytes;
  await written(path, async (append, extend) => {
    await append(header);
    await extend(bytes);
  });
  return bytes;
}

async function written(
  path: string,
  write: (
    append: (bytes: Uint8Array) => Promise<unknown>,
    extend: (bytes: number) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const draft = `${path}.${process.pid}.draft`;
  const file = await open(draft, 'w');
  try {
    await write(
      (bytes) => file.write(bytes),
      (bytes) => file.truncate(bytes),
    );
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

function weightBytes({ name, dims, type, values }: FilledTensor): Uint8Array {
  const weights = values();
  const expected = dims.reduce((a, b) => a * b, 1);
  if (weights.length !== expected) throw new Error(`${name}: ${weights.length} values for ${dims}`);
  if (type === 'f32') return new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
  return new Uint8Array(Uint16Array.from(weights, half).buffer);
}
