/** What of this machine `grid doctor` looks at beside Docker and devices. */
import { existsSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '@gryphgen/protocol';
import type { Check } from './check.ts';

const GiB = 1024 ** 3;
/** The journal refuses work when the disk is full; this leaves time to notice. */
const leastFreeBytes = 2 * GiB;
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

/** The home itself may not be there yet. */
export async function checkDisk(home: string): Promise<Check> {
  const { bavail, bsize } = await statfs(nearestFolder(home));
  const freeBytes = bavail * bsize;
  const found = `${formatBytes(freeBytes)} free for ${home}`;
  return freeBytes >= leastFreeBytes
    ? { name: 'disk', state: 'ok', found }
    : {
        name: 'disk',
        state: 'warning',
        found,
        fix: `free some, or set GRID_HOME to where there is at least ${formatBytes(leastFreeBytes)}`,
      };
}

export function checkHome(home: string): Check {
  if (!existsSync(home))
    return { name: 'home', state: 'ok', found: `${home} is not there yet: "grid up" makes it` };
  const { mode, uid } = statSync(home);
  const own = process.getuid?.();
  if (own !== undefined && uid !== own)
    return {
      name: 'home',
      state: 'error',
      found: `${home} belongs to user ${uid}`,
      fix: `chown -R ${own} ${home}, or set GRID_HOME`,
    };
  if ((mode & 0o077) !== 0)
    return {
      name: 'home',
      state: 'warning',
      found: `${home} can be read by others`,
      fix: `chmod 700 ${home}`,
    };
  return { name: 'home', state: 'ok', found: `${home} is private` };
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}
