/** An archive with a llama-server in it, unpacked into a folder of its own. */
import { open, readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Failure, failure } from '@gryphgen/protocol';
import { unpackArchive } from '../artifacts/unpack-archive.ts';
import { archiveBytes, archiveKind } from './archive-bytes.ts';
import { usualLlamaServer } from './llama-engines.ts';

/** Of all files together: the largest builds, for CUDA, have some 2 GiB. */
const mostBytes = 8 * 1024 ** 3;
const headBytes = 16;

/** `folder` must not be there, and is not when this fails. The path in it of its llama-server. */
export async function unpackEngine(archive: string, folder: string): Promise<string | Failure> {
  const unpacked = await unpackInto(archive, folder);
  if (typeof unpacked !== 'string') await rm(folder, { recursive: true, force: true });
  return unpacked;
}

async function unpackInto(archive: string, folder: string): Promise<string | Failure> {
  const kind = archiveKind(await headOf(archive));
  if (kind === undefined) return refused('found something else, expected a .tar.gz or a .zip');
  try {
    const why = await unpackArchive(archiveBytes(archive, kind), folder, { isWhole: true, mostBytes });
    if (why !== null) return why;
  } catch (error) {
    // Of the system it is its user's to mend; else the archive's.
    if (error instanceof Error && 'syscall' in error) throw error;
    return refused(`it cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`);
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries
    .filter((entry) => entry.isFile() && entry.name === usualLlamaServer)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const [only, ...others] = found;
  if (only === undefined) return refused(`it has no ${usualLlamaServer}`);
  return others.length === 0
    ? only
    : refused(`it has ${found.length} of ${usualLlamaServer}: ${found.join(', ')}`);
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function refused(words: string): Failure {
  return failure('rejected.invalid', `the archive: ${words}`);
}
