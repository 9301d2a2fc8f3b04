/** Finds and kills processes that nobody watches over any more, by a mark in the environment they were started with. */
import { readdir, readFile } from 'node:fs/promises';

/** In the environment of each attempt: its scratch folder, for its own use and as the mark. */
export const scratchVariable = 'GRID_SCRATCH';

/** One search misses what was forked behind its back; what forks this often is not ended by searching. */
const maxSearches = 20;

/**
 * Kills every process whose scratch folder lies in `root` (an absolute path) and is not in use, asked for each at that
 * moment; returns how many. Searches until there is none.
 */
export async function killStrays(
  root: string,
  inUse = (_scratch: string): boolean => false,
): Promise<number> {
  const killed = new Set<string>();
  for (let searches = 0; searches < maxSearches; searches += 1) {
    const found = await killFound(root, inUse);
    if (found.length === 0) break;
    for (const pid of found) killed.add(pid);
  }
  return killed.size;
}

/** Those that were found and told to end. */
async function killFound(root: string, inUse: (scratch: string) => boolean): Promise<readonly string[]> {
  const mark = `${scratchVariable}=`;
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const marks = (await environmentOf(entry)).filter((line) => line.startsWith(mark));
    const [scratch = ''] = marks.map((line) => line.slice(mark.length));
    if (!scratch.startsWith(`${root}/`) || inUse(scratch)) continue;
    found.push(entry);
    try {
      process.kill(Number(entry), 'SIGKILL');
    } catch {
      // It ended in this moment, and may have left another.
    }
  }
  return found;
}

async function environmentOf(pid: string): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');
  } catch {
    return []; // It ended, or belongs to another user: not ours then.
  }
}
