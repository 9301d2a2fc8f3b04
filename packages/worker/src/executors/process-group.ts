/**
 * One attempt as a process group of its own, inside the keeper.
 *
 * 1. Its output is held until a worker has it (process-output.ts), and its end until a worker says `forget`.
 * 2. When the command has ended, whatever it left in its group is killed; a stranger that holds its output open is
 *    waited for no longer than `drainMs`, not counting the time in which nobody took what was held, and for no more
 *    than `drainBytes`.
 * 3. The first reason it is stopped for is kept with it.
 * 4. Where it has a control group, that ends whatever it started, also what left the process group.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type Failure, failure } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';
import type { StopWhy } from '../core/state.ts';
import { findProgram } from './find-program.ts';
import { outOfMemory } from './out-of-memory.ts';
import { ControlGroup } from './process-control-group.ts';
import type { FromKeeper, HeldAttempt, ProcessEnd, ToKeeper } from './process-messages.ts';
import { ProcessOutput } from './process-output.ts';
import type { ProcessUse } from './process-use.ts';

const drainMs = 2000;
/** More than pipes can hold when their writer has ended. */
const drainBytes = 4 * 1024 * 1024;

/** The runtime's would bring its sockets into the keeper, which is to stay small. */
const alarms: Alarms = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export type StartMessage = Extract<ToKeeper, { kind: 'start' }>;
type Tell = (message: FromKeeper, bytes?: Uint8Array) => void;

export class ProcessGroup {
  private readonly order: StartMessage;
  private readonly tell: Tell;
  private readonly use: ProcessUse;
  private readonly output = new ProcessOutput(alarms);
  private child: ChildProcess | null = null;
  private group: ControlGroup | null = null;
  private stopMs: number | null = null;
  private stopWhy: StopWhy | null = null;
  private killTimer: NodeJS.Timeout | undefined;
  private killAt = Number.POSITIVE_INFINITY;
  private stopped = false;
  private startedAt = 0;
  private endedAt: number | null = null;
  private drainedBytes = 0;
  private end: ProcessEnd | null = null;
  /** The worker that is there knows of it, and has not been told its end. */
  private followed = true;
  /** Resolves when it is over and its output was read. */
  readonly gone: Promise<void>;

  constructor(order: StartMessage, tell: Tell, use: ProcessUse) {
    this.order = order;
    this.tell = tell;
    this.use = use;
    this.follow(0);
    this.gone = this.run();
  }

  get isOver(): boolean {
    return this.end !== null;
  }

  held(): HeldAttempt {
    const { key, facts } = this.order;
    const until = this.endedAt ?? performance.now();
    const ranMs = this.startedAt === 0 ? 0 : until - this.startedAt;
    const { from, to } = this.output;
    return { kind: 'held', key, facts, ranMs, stopping: this.stopWhy, from, to, end: this.end };
  }

  /** A later life of the worker has its output up to here. */
  resume(from: number): void {
    this.followed = true;
    this.follow(from);
    this.tellEnd();
  }

  /** The worker is gone. */
  leave(): void {
    this.followed = false;
    this.output.leave();
  }

  taken(to: number): void {
    this.output.take(to);
    this.tellEnd();
  }

  stop(graceMs: number, why: StopWhy): void {
    if (this.endedAt !== null || this.isOver) return;
    this.stopWhy ??= why;
    if (this.child === null) this.stopMs = Math.min(this.stopMs ?? graceMs, graceMs);
    const killAt = performance.now() + graceMs;
    if (this.child?.pid === undefined || killAt >= this.killAt) return;
    const first = this.killAt === Number.POSITIVE_INFINITY;
    this.killAt = killAt;
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.killGroup('SIGKILL'), graceMs);
    if (first) this.stopped = this.killGroup('SIGTERM');
  }

  /** False when nobody was there any more. */
  killGroup(signal: NodeJS.Signals): boolean {
    const pid = this.child?.pid;
    if (pid === undefined) return false;
    if (signal === 'SIGKILL') this.group?.kill();
    try {
      return process.kill(-pid, signal);
    } catch {
      return false; // ESRCH: it has ended
    }
  }

  private async run(): Promise<void> {
    this.end = await this.live();
    this.tellEnd();
  }

  private follow(from: number): void {
    const { key } = this.order;
    this.output.follow(from, (at, bytes) => this.tell({ kind: 'output', key, at }, bytes));
  }

  private tellEnd(): void {
    const { end, output, followed } = this;
    if (end === null || !followed || output.from < output.to) return;
    this.followed = false;
    this.tell({ kind: 'ended', key: this.order.key, end });
  }

  private async live(): Promise<ProcessEnd> {
    const line = await this.line();
    if (typeof line === 'string') return this.notStarted(line);
    if (this.stopMs !== null) return this.notStarted('stopped before it was started');
    const { key, env, cwd } = this.order;
    const [file = '', ...args] = line;
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const exit = new Promise<number>((resolve) =>
      child.once('exit', (code, signal) => resolve(exitCodeOf(code, signal))),
    );
    const refused = await new Promise<Error | null>((resolve) => {
      child.once('spawn', () => resolve(null));
      child.once('error', resolve);
    });
    if (refused !== null) {
      await this.group?.end();
      return this.notStarted(refused.message);
    }
    this.startedAt = performance.now();
    const pid = child.pid as number;
    this.use.begin(pid, (reading) => this.followed && this.tell({ kind: 'used', key, reading }));
    if (this.followed) this.tell({ kind: 'started', key });
    const copied = Promise.allSettled([this.copy(child.stdout), this.copy(child.stderr)]);
    void copied.then(() => this.output.close());
    if (this.stopMs !== null) this.stop(this.stopMs, this.stopWhy ?? 'cancel');
    const exitCode = await exit;
    const used = this.use.end(pid);
    this.endedAt = performance.now();
    clearTimeout(this.killTimer);
    this.killGroup('SIGKILL');
    const { group, stopped } = this;
    const isOutOfMemory = group?.wasOutOfMemory === true && exitCode !== 0;
    await Promise.all([group?.end(), this.drained(copied, child)]);
    const why = isOutOfMemory ? outOfMemory(this.order.memoryBytes) : null;
    return { exitCode, stopped, failure: why, usage: await used };
  }

  private notStarted(why: string): ProcessEnd {
    const failed: Failure = failure('execution.start', why);
    return { exitCode: -1, stopped: this.stopMs !== null, failure: failed };
  }

  /** What is to be run, or why it cannot be. */
  private async line(): Promise<readonly string[] | string> {
    const { command, env, cwd } = this.order;
    // spawn would say that the program is missing.
    if (!(await isFolder(cwd))) return `there is no folder ${cwd}`;
    const [name = '', ...rest] = command;
    const program = await findProgram(name, env.PATH ?? '', cwd);
    if ('why' in program) return program.why;
    const limited = await this.limited([program.path, ...rest]);
    return typeof limited === 'string' ? limited : this.grouped(limited);
  }

  /** The command line that enters its group first, or why there is none. */
  private grouped(line: readonly string[]): readonly string[] | string {
    const { group } = this.order;
    // A stop that came first: there will be no process.
    if (group === undefined || this.stopMs !== null) return line;
    try {
      this.group = ControlGroup.make(group);
    } catch (error) {
      return `no control group can be made for it: ${error instanceof Error ? error.message : String(error)}`;
    }
    return this.group.enter(line);
  }

  /**
   * The command line under its limits, or why they cannot be set. What a process writes to counts, not what it reserves:
   * a limit of its address space keeps Node.js, Java and CUDA from starting.
   */
  private async limited(line: readonly string[]): Promise<readonly string[] | string> {
    const { memoryBytes, group } = this.order;
    const isHeld = group?.settings.some(([file]) => file === 'memory.max') ?? false;
    if (memoryBytes === 0 || isHeld) return line;
    const prlimit = await findProgram('prlimit', '/usr/bin:/bin:/usr/sbin:/sbin', '/');
    if ('why' in prlimit)
      return 'this worker cannot limit the memory of processes: prlimit (util-linux) is not there';
    return [prlimit.path, `--data=${memoryBytes}`, '--', ...line];
  }

  private async copy(stream: Readable | null): Promise<void> {
    for await (const bytes of (stream ?? []) as AsyncIterable<Uint8Array>) {
      await this.output.put(bytes);
      if (this.endedAt !== null) this.drainedBytes += bytes.length;
      if (this.drainedBytes > drainBytes) return;
    }
  }

  private async drained(copied: Promise<unknown>, child: ChildProcess): Promise<void> {
    let strangers: NodeJS.Timeout;
    const waitForStrangers = (): void => {
      strangers = setTimeout(() => {
        // Nobody took what is held: there may be more of the attempt's own in the pipes.
        if (this.output.isFull) return waitForStrangers();
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, drainMs);
    };
    waitForStrangers();
    // A destroyed stream ends its copy with an error: that is the end of the output then.
    await copied.finally(() => clearTimeout(strangers));
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** As a shell tells it: 128 and the signal's number. */
function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
