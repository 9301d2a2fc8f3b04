/**
 * The control group of one attempt, inside the keeper: made before its process, which enters it before it becomes its program,
 * and removed when nothing is in it any more.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { killGroup, perl, removeIfEmpty } from './control-groups.ts';

/** As a start message names it. */
export interface GroupOrder {
  readonly folder: string;
  /** What is written into it, in order: a file of the kernel's, and its text. */
  readonly settings: readonly (readonly [file: string, text: string])[];
}

/** For what was killed to be gone; what is not (in the kernel, on a dead disk) is removed with the worker's next life. */
const goneMs = 2000;
const lookMs = 10;

/** Enters the group, and becomes the program: what a shell would add to the environment is not there. */
const entering =
  'open my $group, ">", shift or die "$!"; syswrite $group, "0" or die "$!"; close $group; exec { $ARGV[0] } @ARGV or die "$!"';

export class ControlGroup {
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Throws what the file system says. */
  static make({ folder, settings }: GroupOrder): ControlGroup {
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of settings) {
      const path = join(folder, file);
      // Of swap that the kernel does not count.
      if (file !== 'memory.swap.max' || existsSync(path)) writeFileSync(path, text);
    }
    return new ControlGroup(folder);
  }

  /** The command line that enters it and becomes `line`. */
  enter(line: readonly string[]): readonly string[] {
    return [perl, '-e', entering, join(this.folder, 'cgroup.procs'), ...line];
  }

  kill(): void {
    killGroup(this.folder);
  }

  /** Whether the kernel killed one of its processes for want of memory. */
  get wasOutOfMemory(): boolean {
    const path = join(this.folder, 'memory.events');
    return existsSync(path) && /^oom_kill [1-9]/m.test(readFileSync(path, 'utf8'));
  }

  /** Kills what is in it. Resolves when it is gone, or what is in it does not go. */
  async end(): Promise<void> {
    this.kill();
    for (let waitedMs = 0; !removeIfEmpty(this.folder) && waitedMs < goneMs; waitedMs += lookMs)
      await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
