/**
 * How long a container has been running, whatever happened to the wall clock since: the engine tells the time of day it
 * started, the kernel how long after boot its first process did.
 */
import { readFile } from 'node:fs/promises';

/** Clock ticks a second in what the kernel tells of processes: the same on all machines Node runs on. */
const ticksPerS = 100;
/** Of /proc/PID/stat, counted after the program's name, which may hold anything. */
const startTimeField = 19;

/** Milliseconds; undefined when that process cannot be seen here: the engine is elsewhere, or it has ended. */
export async function ageOfContainer(id: string, pid: number, proc = '/proc'): Promise<number | undefined> {
  try {
    const [cgroup, stat, uptime] = await Promise.all([
      readFile(`${proc}/${pid}/cgroup`, 'utf8'),
      readFile(`${proc}/${pid}/stat`, 'utf8'),
      readFile(`${proc}/uptime`, 'utf8'),
    ]);
    // Another machine's process number may be anything here.
    if (!cgroup.includes(id)) return undefined;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startedS = Number(fields[startTimeField]) / ticksPerS;
    const ageMs = (Number(uptime.split(' ')[0]) - startedS) * 1000;
    return Number.isFinite(ageMs) ? Math.max(0, ageMs) : undefined;
  } catch {
    return undefined;
  }
}
