/**
 * A part of one processor for processes of a test, however many there are: a control group of the kernel's, of either version.
 *
 * 1. What is in it gets no more than its share even on an idle machine, so how much slower one share is than another stays the
 *    same on a busy one, as long as each could have its own.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';
const first = join(root, 'cpu');
const periodUs = 50_000;

export class CpuShare {
  private readonly folder: string;

  /** `quotaUs`: of each 50 ms; 1000 is the least. Throws what the kernel says to whom may not. */
  constructor(name: string, quotaUs: number) {
    const isFirst = existsSync(first);
    this.folder = join(isFirst ? first : root, `gg-test-${process.pid}-${name}`);
    if (!isFirst) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(this.folder);
    if (isFirst) {
      this.set('cpu.cfs_period_us', periodUs);
      this.set('cpu.cfs_quota_us', quotaUs);
    } else this.set('cpu.max', `${quotaUs} ${periodUs}`);
  }

  add(pid: number): void {
    this.set('cgroup.procs', pid);
  }

  /** None is in it any more. */
  remove(): void {
    rmdirSync(this.folder);
  }

  private set(file: string, value: number | string): void {
    writeFileSync(join(this.folder, file), String(value));
  }
}

/** Whether who runs this may give shares of the machine. */
export function sharesCpu(): boolean {
  try {
    new CpuShare('tried', periodUs).remove();
    return true;
  } catch {
    return false; // no groups here, or another's
  }
}
