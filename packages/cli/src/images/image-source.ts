/**
 * The image that is to be pushed: from the engine of this machine, from an archive, from a pipe.
 *
 * 1. An archive tells only at its end what its parts are, and each worker takes it at its own pace: so what cannot be
 *    sought in is first written to a file, which has no name and is gone with this program, however that ends.
 */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { type ArchivedImage, readImageArchive } from '@gryphgen/client';
import { failure, GridError, isSameImage, limits } from '@gryphgen/protocol';
import { systemRandom } from '@gryphgen/runtime';
import { UsageError } from '../problem.ts';
import { findLocalImage, saveLocalImage, withTag } from './local-engine.ts';

export interface SourceOrder {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Name or id; '' where the archive says. */
  readonly image: string;
  /** An archive's path, or `-`; undefined: the engine. */
  readonly file: string | undefined;
  readonly stdin: Readable;
  /** Bytes read so far, of what must be written to a file first. */
  readonly onRead: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export interface ImageSource {
  readonly image: ArchivedImage;
  readonly names: readonly string[];
  close(): Promise<void>;
}

export async function openImageSource(order: SourceOrder): Promise<ImageSource> {
  const { env, image, file } = order;
  if (file === undefined) {
    const { id, names } = await findLocalImage(env, image);
    const archive = await spooled(await saveLocalImage(env, id), order);
    return await sourceOf(archive, ([only]) => ({ image: only as ArchivedImage, names }));
  }
  const archive = await openArchive(file, order);
  return await sourceOf(archive, (images) => chosen(images, image));
}

type Choice = Omit<ImageSource, 'close'>;

async function sourceOf(
  archive: FileHandle,
  choose: (images: readonly ArchivedImage[]) => Choice,
): Promise<ImageSource> {
  try {
    return { ...choose(await readImageArchive(archive)), close: () => archive.close() };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

async function openArchive(file: string, order: SourceOrder): Promise<FileHandle> {
  if (file === '-') return await spooled(order.stdin, order);
  const archive = await open(file, 'r');
  if ((await archive.stat()).isFile()) return archive;
  await archive.close();
  throw new UsageError(`${file} is no file that can be sought in: give it as stdin, with --file -`);
}

/** `image`: which one, or what to call the only one where it has no name. */
export function chosen(images: readonly ArchivedImage[], image: string): Choice {
  const held = images.flatMap(({ names, id }) => (names.length > 0 ? names : [id])).join(', ');
  if (image !== '') {
    const named = images.find(
      ({ names, id }) => id === image || names.some((name) => isSameImage(name, image)),
    );
    if (named !== undefined) {
      const asked = named.names.filter((name) => isSameImage(name, image));
      return { image: named, names: asked.length > 0 ? asked : named.names };
    }
  }
  const [only, ...more] = images;
  if (only === undefined || more.length > 0)
    throw new UsageError(
      `the archive holds ${held}: say which to push${image === '' ? '' : `, not ${image}`}`,
    );
  if (only.names.length === 0 && image !== '') return { image: only, names: [withTag(image)] };
  if (only.names.length === 0)
    throw new UsageError(`the image in the archive has no name: say what to call it`);
  if (image !== '') throw new UsageError(`the archive holds ${held}, not ${image}`);
  return { image: only, names: only.names };
}

async function spooled(from: Readable, { onRead, signal, env }: SourceOrder): Promise<FileHandle> {
  // Of what is large and may be kept on disk; /tmp is often memory.
  const folder = env.TMPDIR === undefined ? '/var/tmp' : tmpdir();
  const path = join(folder, `grid-image-${systemRandom.bytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    let bytes = 0;
    for await (const piece of addAbortSignal(signal, from) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > limits.imageBytes)
        throw new GridError(
          failure('rejected.limit', `the archive has more than ${limits.imageBytes} bytes`),
        );
      await writeAll(file, piece, folder);
      onRead(bytes);
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array, folder: string): Promise<void> {
  try {
    for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
      throw new GridError(
        failure('rejected.state', `there is no room for the image in ${folder} (TMPDIR says where else)`),
      );
    throw error;
  }
}
