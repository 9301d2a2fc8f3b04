/**
 * Whether a process that was written down is still the same: numbers are used again, so the time it was started counts
 * too (field 22 of /proc/PID/stat, in ticks since boot).
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Boot and start time; '' where there is no /proc. */
  readonly startedAt: string;
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  return startOf(pid) === startedAt;
}

/** False of one that was written down before the machine was started the last time. */
export function isOfThisBoot({ startedAt }: ProcessIdentity): boolean {
  return bootOf(startedAt) === bootOf(identityOf(process.pid).startedAt);
}

function bootOf(startedAt: string): string | undefined {
  return startedAt.split(':')[0];
}

/** Throws what the file system says where there is no /proc. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything, spaces and parentheses included.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie only waits for its parent to take note.
    if (fields[0] === 'Z') return 'ended';
    return `${bootId()}:${fields[19] ?? ''}`;
  } catch {
    return ''; // no such process, or no /proc: then the number alone must do
  }
}
