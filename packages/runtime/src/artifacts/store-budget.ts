import { mkdir, statfs } from 'node:fs/promises';

const partOfDisk = 0.1;
const mostBytes = 100 * 1024 ** 3;

/** What a store in `folder` may take; `auto` is a tenth of its disk, 100 GiB at most. */
export async function storeBudget(folder: string, setting: number | 'auto'): Promise<number> {
  if (setting !== 'auto') return setting;
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const { blocks, bsize } = await statfs(folder);
  return Math.min(mostBytes, Math.floor(blocks * bsize * partOfDisk));
}
