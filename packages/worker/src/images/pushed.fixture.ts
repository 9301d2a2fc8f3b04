/** For tests of pushed images: a small one, as it is announced and sent. */
import { createHash } from 'node:crypto';
import type { ImageOrder } from '@gryphgen/protocol';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';

export const platform = 'linux/amd64';

export interface SentImage {
  readonly order: ImageOrder;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  /** All that follows the order. */
  readonly bytes: Buffer;
}

/** A tar of one file. */
export function layerOf(content: string | Buffer, name = 'file'): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    writeTarHeader(name, bytes.length),
    bytes,
    Buffer.alloc(tarPadding(bytes.length) + 1024),
  ]);
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function sentImage({
  layers = [layerOf('one'), layerOf(Buffer.alloc(20_000, 7))],
  config = {} as object,
  names = ['app:1'],
} = {}): SentImage {
  const rootfs = { type: 'layers', diff_ids: layers.map(digestOf) };
  const written = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs, ...config }));
  const order = {
    id: digestOf(written),
    names,
    configBytes: written.length,
    layers: layers.map(({ length }) => length),
  };
  return { order, config: written, layers, bytes: Buffer.concat([written, ...layers]) };
}
