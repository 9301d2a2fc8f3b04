/** What can run short while tasks run: disk and memory, as the kernel tells them. Read every few seconds: cheap. */
import { readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskReading, MemoryReading } from '../core/pressure/pressures.ts';

/**
 * The disk of `home`, on which everything depends, and that of the engine's data (`engineRoot`; null: not here). One
 * that holds both is told once.
 */
export async function readDisks(home: string, engineRoot: string | null): Promise<readonly DiskReading[]> {
  const disks: DiskReading[] = [{ ...(await readDisk(home)), stops: 'everything' }];
  if (engineRoot === null) return disks;
  try {
    const [{ dev }, other] = await Promise.all([stat(home), stat(engineRoot)]);
    if (dev !== other.dev) disks.push({ ...(await readDisk(engineRoot)), stops: 'containers' });
  } catch {
    // The engine runs on another machine, or where this user may not look.
  }
  return disks;
}

/** As `df` has it: what only root may use counts for nobody. */
async function readDisk(path: string): Promise<Omit<DiskReading, 'stops'>> {
  const { blocks, bfree, bavail, bsize } = await statfs(path);
  return { path, freeBytes: bavail * bsize, totalBytes: (blocks - bfree + bavail) * bsize };
}

/** Undefined on a machine that does not tell. */
export async function readMemory(proc = '/proc'): Promise<MemoryReading | undefined> {
  const [meminfo, pressure] = await Promise.all([
    textOf(join(proc, 'meminfo')),
    // Absent where the kernel was built or started without it.
    textOf(join(proc, 'pressure', 'memory')),
  ]);
  const availableBytes = kibOf(meminfo, 'MemAvailable');
  const totalBytes = kibOf(meminfo, 'MemTotal');
  if (availableBytes === undefined || totalBytes === undefined) return undefined;
  const [, stalled] = /^full avg10=([0-9.]+) /m.exec(pressure) ?? [];
  return { availableBytes, totalBytes, stalledPercent: stalled === undefined ? undefined : Number(stalled) };
}

function kibOf(meminfo: string, name: string): number | undefined {
  const [, kib] = new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(meminfo) ?? [];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
