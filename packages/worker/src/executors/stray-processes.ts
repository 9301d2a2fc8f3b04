/** Finds and kills processes that nobody watches over any more, by a mark in the environment they were started with. */
import { readdir, readFile } from 'node:fs/promises';

/** In the environment of each attempt: its scratch folder, for its own use and as the mark. */
export const scratchVariable = 'GRID_SCRATCH';

/**
 * Kills every process whose scratch folder lies in `root` (an absolute path) and is not in use, asked for each at that
 * moment; returns how many.
 */
export async function killStrays(
  root: string,
  inUse = (_scratch: string): boolean => false,
): Promise<number> {
  const mark = `${scratchVariable}=`;
  let killed = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const marks = (await environmentOf(entry)).filter((line) => line.startsWith(mark));
    const [scratch = ''] = marks.map((line) => line.slice(mark.length));
    if (!scratch.startsWith(`${root}/`) || inUse(scratch)) continue;
    try {
      process.kill(Number(entry), 'SIGKILL');
      killed += 1;
    } catch {
      // It ended in this moment.
    }
  }
  return killed;
}

async function environmentOf(pid: string): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');
  } catch {
    return []; // It ended, or belongs to another user: not ours then.
  }
}
