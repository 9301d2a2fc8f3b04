/** What of this machine `grid doctor` looks at beside Docker, devices and the clock. */
import { accessSync, constants, existsSync, readdirSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatBytes } from '@gryphgen/protocol';
import { systemFailure } from '../system-error.ts';
import type { Check } from './check.ts';

const MiB = 1024 ** 2;
/** A new journal with its log, and logs of tasks: below that nothing works for long. */
const neededBytes = 64 * MiB;
const leastNode: readonly [number, number] = [20, 19];

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isNew = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  return isNew
    ? { name: 'node', state: 'ok', found: `Node.js ${version}` }
    : {
        name: 'node',
        state: 'error',
        found: `Node.js ${version}`,
        fix: `install Node.js ${leastNode.join('.')} or newer`,
      };
}

/** A machine that cannot even be asked is told of like the rest. */
export async function checked(name: string, look: () => Check | Promise<Check>): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    const failure = systemFailure(error);
    if (failure === undefined) throw error;
    const [found = '', fix = ''] = failure.message.split('; ');
    return { name, state: 'error', found, fix };
  }
}

/** What is left of something, and the amounts at which a worker stops taking new work and takes it again. */
export interface Left {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly least: number;
  readonly enough: number;
}

/** `path`: the home, or where the engine keeps its data. */
export function checkDisk(path: string, left: Left): Check {
  const { freeBytes, totalBytes, enough } = left;
  const found = `${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)} for ${path}${shortOf(left)}`;
  if (freeBytes >= Math.max(enough, neededBytes)) return { name: 'disk', state: 'ok', found };
  const wanted = formatBytes(Math.max(enough, neededBytes));
  return {
    name: 'disk',
    state: freeBytes < neededBytes ? 'error' : 'warning',
    found,
    fix: `free some (docker system prune frees what no container uses), or set GRID_HOME to where there is at least ${wanted}; GRID_MIN_DISK_FREE says how little is too little`,
  };
}

export function checkMemory(left: Left): Check {
  const { freeBytes, totalBytes, enough } = left;
  const found = `${formatBytes(freeBytes)} available of ${formatBytes(totalBytes)}${shortOf(left)}`;
  if (freeBytes >= enough) return { name: 'memory', state: 'ok', found };
  return {
    name: 'memory',
    state: 'warning',
    found,
    fix: 'see what takes it (ps aux --sort -rss | head); GRID_MIN_MEMORY_FREE says how little is too little',
  };
}

function shortOf({ freeBytes, least, enough }: Left): string {
  if (freeBytes >= enough) return '';
  const taken = `new work is taken above ${formatBytes(enough)}`;
  return freeBytes < least ? `: too little, ${taken}` : `; below ${formatBytes(least)} nothing new is taken`;
}

export function checkHome(home: string): Check {
  const told = (state: Check['state'], found: string, fix?: string): Check => ({
    name: 'home',
    state,
    found,
    ...(fix !== undefined && { fix }),
  });
  const stats = statSync(home, { throwIfNoEntry: false });
  // Throws when it cannot be written to.
  accessSync(nearestFolder(home), constants.W_OK);
  if (stats === undefined) return told('ok', `${home} is not there yet: "grid up" makes it`);
  if (!stats.isDirectory()) return told('error', `${home} is no folder`, 'set GRID_HOME to a folder');
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own)
    return told(
      'error',
      `${home} belongs to user ${stats.uid}`,
      `sudo chown -R ${own} ${home}, or set GRID_HOME`,
    );
  const open = openKeys(home);
  if (open.length > 0)
    return told(
      'error',
      `${open.join(', ')} can be read by others`,
      `chmod 600 ${open.join(' ')}; make new keys if they may have been read`,
    );
  if (isOpen(stats)) return told('warning', `${home} can be read by others`, `chmod 700 ${home}`);
  return told('ok', `${home} is private`);
}

/** A daemon refuses such a key. */
function openKeys(home: string): readonly string[] {
  const folder = join(home, 'keys');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => isOpen(statSync(path)));
}

function isOpen({ mode }: Stats): boolean {
  return (mode & 0o077) !== 0;
}

/** The folder itself, or where it would be made. */
export function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}
