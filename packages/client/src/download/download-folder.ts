/** Where what comes from the web is put below `$GRID_HOME`: a folder for each thing that is brought, of one process at a time. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import { systemClock } from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';

/** What nobody came back for in so long goes with the next that is brought. */
const keptMs = 7 * 24 * 3600_000;

export interface DownloadFolder {
  readonly folder: string;
  release(): void;
}

/** Throws GridError where another process has it. */
export async function downloadFolder(home: string, key: string): Promise<DownloadFolder> {
  const downloads = join(home, 'downloads');
  await forgetOld(downloads);
  const folder = join(downloads, key);
  const locked = lockFolder(downloads, key, `pid ${process.pid}`);
  if ('heldBy' in locked)
    throw new GridError(failure('rejected.state', `it is being brought already, by ${locked.heldBy}`));
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { folder, release: () => locked.lock.release() };
  } catch (error) {
    locked.lock.release();
    throw error;
  }
}

/** Whoever goes on with one has it locked. */
async function forgetOld(downloads: string): Promise<void> {
  await mkdir(downloads, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(downloads, { withFileTypes: true })) {
    const path = join(downloads, entry.name);
    if (!entry.isDirectory() || systemClock.wall() - (await stat(path)).mtimeMs < keptMs) continue;
    const locked = lockFolder(downloads, entry.name, `pid ${process.pid}`);
    if ('heldBy' in locked) continue;
    await rm(path, { recursive: true, force: true });
    locked.lock.release();
  }
}
