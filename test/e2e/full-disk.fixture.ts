import { open } from 'node:fs/promises';
import { join } from 'node:path';

const blockBytes = 64 * 1024;

/** Takes all that is free where `folder` lies, others' writing included. Returns the file: without it there is room. */
export async function fillDisk(folder: string): Promise<string> {
  const path = join(folder, 'ballast');
  const file = await open(path, 'w');
  try {
    for (const block = Buffer.alloc(blockBytes); ; ) await file.write(block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return path;
  } finally {
    await file.close();
  }
}
