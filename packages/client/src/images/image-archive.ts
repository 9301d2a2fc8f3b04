/**
 * An archive as `docker save` writes it, in a file: which images it holds, and their bytes as a worker takes them.
 *
 * 1. Nothing of it is held but headers, manifest and configs; layers are read when they are sent.
 * 2. A layer that was saved compressed is unpacked on its way: workers take none that is.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { failure, GridError, type ImageOrder, limits } from '@gryphgen/protocol';
import { parseJson, type TarEntry, TarWalk } from '@gryphgen/runtime';
import { z } from 'zod';

/** Some 6 for each layer; more is no image. */
const maxEntries = 10_000;
const maxManifestBytes = 4 * 1024 * 1024;
const readBytes = 256 * 1024;
/** Links to links, as tar has them: one is usual. */
const maxLinks = 8;

const manifestSchema = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);
const configSchema = z.object({ os: z.string(), architecture: z.string() });

export interface ArchivedImage {
  readonly id: string;
  /** `name:tag`; none where it was saved by its id. */
  readonly names: readonly string[];
  /** `linux/amd64` */
  readonly platform: string;
  /** Not compressed. */
  readonly layers: readonly number[];
  readonly configBytes: number;
  /** Config and layers, as often as asked for. */
  bytes(): AsyncGenerator<Uint8Array, void>;
}

interface Layer {
  readonly at: number;
  /** In the file. */
  readonly length: number;
  readonly isPacked: boolean;
  readonly bytes: number;
}

/** The images in the archive. Throws GridError `rejected.invalid` when it is none, or is cut off. */
export async function readImageArchive(file: FileHandle): Promise<readonly ArchivedImage[]> {
  const entries = await entriesOf(file);
  const manifest = manifestSchema.safeParse(
    await json(file, find(entries, 'manifest.json'), maxManifestBytes),
  );
  if (!manifest.success) throw invalid('its manifest.json makes no sense');
  const images: ArchivedImage[] = [];
  for (const image of manifest.data) images.push(await imageOf(file, entries, image));
  if (images.length === 0) throw invalid('it holds no image');
  return images;
}

export function orderOf({ id, configBytes, layers }: ArchivedImage, names: readonly string[]): ImageOrder {
  return { id, names, configBytes, layers };
}

async function entriesOf(file: FileHandle): Promise<ReadonlyMap<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  const walk = new TarWalk();
  for (let count = 0; walk.want !== null; ) {
    const block = await read(file, walk.want.at, walk.want.bytes);
    if (block.length === 0 && walk.mayEndAt(walk.want.at)) break;
    if (block.length < walk.want.bytes) throw invalid('its end is missing');
    const entry = walk.give(block);
    if (entry === undefined) continue;
    count += 1;
    if (count > maxEntries) throw invalid(`it has more than ${maxEntries} entries`);
    entries.set(posix.normalize(entry.name), entry);
  }
  if (walk.problem !== '') throw invalid(walk.problem);
  return entries;
}

async function imageOf(
  file: FileHandle,
  entries: ReadonlyMap<string, TarEntry>,
  { Config, RepoTags, Layers }: z.infer<typeof manifestSchema>[number],
): Promise<ArchivedImage> {
  const { at, bytes } = find(entries, Config);
  if (bytes > limits.imageConfigBytes) throw invalid(`its config has ${bytes} bytes`);
  const config = await read(file, at, bytes);
  const { os, architecture } = configSchema.safeParse(parseJson(config.toString())).data ?? {};
  if (config.length < bytes || os === undefined) throw invalid(`its config ${Config} makes no sense`);
  const layers: Layer[] = [];
  for (const name of Layers) layers.push(await layerOf(file, find(entries, name)));
  return {
    id: `sha256:${createHash('sha256').update(config).digest('hex')}`,
    names: RepoTags ?? [],
    platform: `${os}/${architecture}`,
    layers: layers.map((layer) => layer.bytes),
    configBytes: config.length,
    bytes: async function* () {
      yield config;
      for (const layer of layers) yield* contentOf(file, layer);
    },
  };
}

async function layerOf(file: FileHandle, { at, bytes: length, name }: TarEntry): Promise<Layer> {
  const start = (await read(file, at, 4)).toString('hex');
  if (start === '28b52ffd') throw invalid(`${name} is compressed with zstd, which is not unpacked here`);
  const layer = { at, length, isPacked: start.startsWith('1f8b'), bytes: length };
  if (!layer.isPacked) return layer;
  let bytes = 0;
  for await (const piece of contentOf(file, layer)) {
    bytes += piece.length;
    if (bytes > limits.imageBytes) throw invalid(`${name} becomes more than ${limits.imageBytes} bytes`);
  }
  return { ...layer, bytes };
}

async function* contentOf(
  file: FileHandle,
  { at, length, isPacked }: Layer,
): AsyncGenerator<Uint8Array, void> {
  const raw = rangeOf(file, at, length);
  if (!isPacked) {
    yield* raw;
    return;
  }
  const packed = Readable.from(raw);
  const unpacked = packed.pipe(createGunzip());
  packed.on('error', (error) => unpacked.destroy(error));
  try {
    yield* unpacked as AsyncIterable<Buffer>;
  } catch (error) {
    throw invalid(`a layer cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    packed.destroy();
  }
}

async function* rangeOf(file: FileHandle, from: number, length: number): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < length; ) {
    const piece = await read(file, from + at, Math.min(readBytes, length - at));
    if (piece.length === 0) throw invalid('its end is missing');
    yield piece;
    at += piece.length;
  }
}

/** Behind links: `docker save` writes a layer once, however often it is in an image. */
function find(entries: ReadonlyMap<string, TarEntry>, name: string): TarEntry {
  let path = posix.normalize(name);
  for (let links = 0; links < maxLinks; links += 1) {
    const entry = entries.get(path);
    if (entry === undefined) throw invalid(`it has no ${path}: is it made by docker save?`);
    if (entry.type === '2') path = posix.join(posix.dirname(path), entry.target);
    else if (entry.type === '1') path = posix.normalize(entry.target);
    else return entry;
  }
  throw invalid(`${name} is a link without an end`);
}

async function json(file: FileHandle, { at, bytes, name }: TarEntry, most: number): Promise<unknown> {
  if (bytes > most) throw invalid(`its ${name} has ${bytes} bytes`);
  return parseJson((await read(file, at, bytes)).toString());
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', `this is no archive of images: ${words}`));
}
