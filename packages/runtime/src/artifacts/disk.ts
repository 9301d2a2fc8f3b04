/** What a store has to do with the disk it is on. */
import { type FileHandle, open, statfs } from 'node:fs/promises';
import { type Failure, failure } from '@gryphgen/protocol';

export function diskFailure(error: unknown): Failure {
  const words = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? failure('rejected.limit', `the disk of the store is full: ${words}`)
    : failure('internal.bug', `the store cannot be written: ${words}`);
}

/** What was made or renamed in it is there after a crash. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** One write of the system may take less than it was given. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
