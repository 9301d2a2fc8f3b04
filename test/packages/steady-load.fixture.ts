/**
 * Short tasks that come all the time: each is submitted and waited for by a command of its own, of a program that no
 * upgrade of the machine's touches, and the next follows when it has ended.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootedRoot, Ran } from './booted-root.fixture.ts';

/** What `grid` exits with when it does. */
const unreachable = 6;

export interface LoadOptions {
  /** Of the machine's: `grid`. */
  readonly program: string;
  readonly home: string;
  /** So many at a time. */
  readonly lanes: number;
  readonly worker: string;
  /** Where each that runs leaves its name; the worker may write there. */
  readonly trace: string;
}

export class SteadyLoad {
  /** Of each task, by its key, how its command ended. */
  readonly ended = new Map<string, Ran>();
  private readonly machine: BootedRoot;
  private readonly options: LoadOptions;
  private readonly lanes: readonly Promise<void>[];
  private isEnough = false;
  private wake: () => void = () => undefined;

  constructor(machine: BootedRoot, options: LoadOptions) {
    this.machine = machine;
    this.options = options;
    this.lanes = Array.from({ length: options.lanes }, (_, lane) => this.work(lane));
  }

  /** Resolves when so many have ended that one of each lane began after now. */
  async goesOn(): Promise<void> {
    const enough = this.ended.size + 2 * this.options.lanes;
    while (this.ended.size < enough)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }

  /** Resolves when the last has ended. */
  async stop(): Promise<void> {
    this.isEnough = true;
    await Promise.all(this.lanes);
  }

  /** The keys of those that ran, as often as they did. */
  runs(): readonly string[] {
    return readFileSync(join(this.machine.path, this.options.trace), 'utf8').trim().split('\n');
  }

  private async work(lane: number): Promise<void> {
    const { program, home, worker, trace } = this.options;
    for (let count = 0; !this.isEnough; count++) {
      const key = `load-${lane}-${count}`;
      const script = 'sleep 0.5; echo "$1" >>"$2"';
      const task = ['--wait', '--json', '--name', 'load', '--key', key, '--worker', worker];
      const submitted = [program, 'submit', ...task, '--', 'sh', '-c', script, 'sh', key, trace];
      const run = () => this.machine.runAs('gryphgen', { GRID_HOME: home }, ...submitted);
      let ran = await run();
      // A command that begins while there is no broker says so at once; the same key makes one task however often.
      while (ran.code === unreachable) ran = await run();
      this.ended.set(key, ran);
      this.wake();
    }
  }
}
