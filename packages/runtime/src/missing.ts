/** What is not there, where that is no error. */
import { readdir, stat } from 'node:fs/promises';

/** Of an error of the file system: there is nothing at that path. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Of what is in a folder; none where there is no folder. Rejects with what else the file system says. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** In bytes; undefined where there is nothing. Rejects with what else the file system says. */
export async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
