/**
 * Finds processes of attempts by a mark in the environment they were started with: those that nobody watches over any
 * more, to kill them, and whose one is.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { foreign, type ProcessOwner, readProc, unknown } from './process-owner.ts';

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

/** Programs do not nest deeper. */
const maxAncestors = 64;

/**
 * The attempt whose scratch folder lies in `root` and in the environment of the process, or of one that it descends from
 * (a program may clear what it hands on). Unknown when nothing could be read and it may have been started here.
 */
export async function ownerByScratch(pid: number, root: string): Promise<ProcessOwner> {
  let isKnown = pid === 1;
  for (let at = pid, steps = 0; at > 1 && steps < maxAncestors; steps += 1) {
    const [status, environment] = await Promise.all([readProc(at, 'status'), readProc(at, 'environ')]);
    if (typeof status !== 'string') {
      if (at === pid) return status;
      break; // an ancestor ended in this moment
    }
    if (typeof environment !== 'string') {
      if (at === pid && environment.kind === 'gone') return environment;
      // What is started here runs as this user, at least at first.
      if (numberIn(status, 'Uid') !== process.getuid?.()) isKnown = true;
    } else {
      const scratch = scratchIn(environment);
      if (scratch.startsWith(`${root}/`)) return { kind: 'attempt', key: basename(scratch) };
      isKnown = true;
    }
    at = numberIn(status, 'PPid');
  }
  return isKnown ? foreign : unknown;
}

function numberIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+([0-9]+)`, 'm').exec(status)?.[1] ?? 0);
}

/** Empty when there is none. */
function scratchIn(environment: string): string {
  const mark = `${scratchVariable}=`;
  const found = environment.split('\0').find((line) => line.startsWith(mark));
  return found?.slice(mark.length) ?? '';
}

/** Those that were found and told to end. */
async function killFound(root: string, inUse: (scratch: string) => boolean): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const scratch = scratchIn(await environmentOf(entry));
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

async function environmentOf(pid: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // It ended, or belongs to another user: not ours then.
  }
}
