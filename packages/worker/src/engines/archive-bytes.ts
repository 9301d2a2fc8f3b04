/**
 * An archive of a llama.cpp's release, as bytes of a tar: one that is packed (`.tar.gz`, `.tgz`), or what a `.zip` has.
 *
 * 1. Names and links are passed on as they are: who unpacks the tar judges them.
 */
import { createReadStream } from 'node:fs';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';
import type { Entry, ZipFile } from 'yauzl';

/** By its first bytes; undefined of what is neither. */
export function archiveKind(head: Buffer): 'gzip' | 'zip' | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  return head.toString('latin1', 0, 4) === 'PK\u0003\u0004' ? 'zip' : undefined;
}

/** Throws what the reading of it, or of the disk, says. */
export async function* archiveBytes(path: string, kind: 'gzip' | 'zip'): AsyncGenerator<Uint8Array> {
  if (kind === 'gzip') yield* unpacked(path);
  else yield* zipAsTar(path);
}

async function* unpacked(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const bytes = createGunzip();
  file.on('error', (error) => bytes.destroy(error));
  try {
    yield* file.pipe(bytes);
  } finally {
    file.destroy();
  }
}

const folderEnd = '/';
/** Of names in a tar's header; longer ones come before it. */
const nameChars = 100;
const linkType = 0o120000;
const typeMask = 0o170000;
const maxTargetBytes = 4096;

async function* zipAsTar(path: string): AsyncGenerator<Uint8Array> {
  const { openPromise } = await import('yauzl');
  const zip = await openPromise(path, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) yield* entryAsTar(zip, entry);
    yield Buffer.alloc(1024);
  } finally {
    zip.close();
  }
}

async function* entryAsTar(zip: ZipFile, entry: Entry): AsyncGenerator<Uint8Array> {
  const { fileName, uncompressedSize: bytes } = entry;
  // What Unix has of it is in the upper half.
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & typeMask) === linkType) {
    if (bytes > maxTargetBytes) throw new Error(`the link ${fileName} leads to ${bytes} bytes`);
    yield* longly('K', await text(await zip.openReadStreamPromise(entry)));
    yield* header(fileName, 0, '2', false);
    return;
  }
  if (fileName.endsWith(folderEnd)) {
    yield* header(fileName, 0, '5', true);
    return;
  }
  yield* header(fileName, bytes, '0', (mode & 0o111) !== 0);
  yield* await zip.openReadStreamPromise(entry);
  yield Buffer.alloc(tarPadding(bytes));
}

function* header(name: string, bytes: number, type: string, executable: boolean): Generator<Buffer> {
  if (name.length > nameChars || !/^[ -~]*$/.test(name)) yield* longly('L', name);
  yield writeTarHeader(name.slice(0, nameChars), bytes, type, executable);
}

/** As GNU's tar says a name (`L`) or where a link leads (`K`) before the entry it is of. */
function* longly(type: string, said: string): Generator<Buffer> {
  const content = Buffer.from(`${said}\0`);
  yield writeTarHeader('././@LongLink', content.length, type);
  yield content;
  yield Buffer.alloc(tarPadding(content.length));
}
