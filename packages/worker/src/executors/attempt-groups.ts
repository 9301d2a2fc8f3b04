/** The control groups of one executor's attempts over the worker's life: found once, emptied of what nobody runs, left behind clean. */
import { createHash } from 'node:crypto';
import type { Log } from '@gryphgen/runtime';
import { type ControlGroups, endGroups, findControlGroups, removeIfEmpty } from './control-groups.ts';

/** Started by systemd itself. */
const isUnit = process.env.SYSTEMD_EXEC_PID === String(process.pid);

export class AttemptGroups {
  private found: ControlGroups | null = null;
  private readonly scratchRoot: string;
  private readonly isRunning: (scratch: string) => boolean;

  /** By what names the worker on its machine: the folder of its scratch folders. */
  constructor(scratchRoot: string, isRunning: (scratch: string) => boolean) {
    this.scratchRoot = scratchRoot;
    this.isRunning = isRunning;
  }

  /** Null before they were looked for. */
  get groups(): ControlGroups | null {
    return this.found;
  }

  /** What a unit is to lend it and does not; a worker that a person started is lent nothing, and its log says so. */
  get troubles(): readonly string[] {
    const lack = this.found?.lack ?? null;
    return lack === null || !isUnit ? [] : [lack];
  }

  find(log: Log): void {
    this.found = findControlGroups(nameOf(this.scratchRoot));
    this.endOthers();
    log.info({ ...this.found }, 'control groups of processes');
  }

  /** Those of attempts that do not run. */
  endOthers(): void {
    if (this.found !== null) endGroups(this.found, this.isRunning);
  }

  /** Attempts that go on have theirs. */
  leave(): void {
    const folder = this.found?.folder ?? null;
    if (folder !== null) removeIfEmpty(folder);
  }
}

/** For when nothing of it is to run any more. */
export function removeGroups(scratchRoot: string): void {
  const groups = findControlGroups(nameOf(scratchRoot));
  endGroups(groups, () => false);
  if (groups.folder !== null) removeIfEmpty(groups.folder);
}

function nameOf(scratchRoot: string): string {
  return `gryphgen-${createHash('sha256').update(scratchRoot).digest('hex').slice(0, 16)}`;
}
