/** What of this machine `grid doctor` looks at beside Docker, devices and the clock. */
import { accessSync, constants, existsSync, readdirSync, type Stats, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatBytes } from '@gryphgen/protocol';
import { systemFailure } from '../system-error.ts';
import type { Check } from './check.ts';

const MiB = 1024 ** 2;
/** The journal refuses work when the disk is full; this leaves time to notice. */
const leastFreeBytes = 2048 * MiB;
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

/** The home itself may not be there yet. */
export async function checkDisk(home: string): Promise<Check> {
  const { bavail, bsize } = await statfs(nearestFolder(home));
  return judgeDisk(home, bavail * bsize);
}

export function judgeDisk(home: string, freeBytes: number): Check {
  const found = `${formatBytes(freeBytes)} free for ${home}`;
  if (freeBytes >= leastFreeBytes) return { name: 'disk', state: 'ok', found };
  return {
    name: 'disk',
    state: freeBytes < neededBytes ? 'error' : 'warning',
    found,
    fix: `free some, or set GRID_HOME to where there is at least ${formatBytes(leastFreeBytes)}`,
  };
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

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}
