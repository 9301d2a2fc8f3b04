/**
 * One attempt as a process group of its own, inside the keeper.
 *
 * 1. Output is read only as fast as the worker takes it: one chunk under way for each attempt.
 * 2. When the command has ended, whatever it left in its group is killed; a stranger that holds its output open is
 *    waited for no longer than `drainMs`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { failure } from '@gryphgen/protocol';
import { findProgram } from './find-program.ts';
import type { FromKeeper, ToKeeper } from './process-messages.ts';

const drainMs = 2000;

type StartMessage = Extract<ToKeeper, { kind: 'start' }>;

export class ProcessGroup {
  private readonly order: StartMessage;
  private readonly tell: (message: FromKeeper) => void;
  private child: ChildProcess | null = null;
  private stopMs: number | null = null;
  private killTimer: NodeJS.Timeout | undefined;
  private killAt = Number.POSITIVE_INFINITY;
  private stopped = false;
  private ended = false;
  private took: () => void = () => undefined;
  private underWay: Promise<void> = Promise.resolve();

  constructor(order: StartMessage, tell: (message: FromKeeper) => void) {
    this.order = order;
    this.tell = tell;
  }

  /** Resolves when its end was told. */
  async run(): Promise<void> {
    const { key, command, env, cwd } = this.order;
    // spawn would say that the program is missing.
    if (!(await isFolder(cwd))) return this.fail(`there is no folder ${cwd}`);
    const [name = '', ...rest] = command;
    const program = await findProgram(name, env.PATH ?? '', cwd);
    if ('why' in program) return this.fail(program.why);
    const limited = await this.limited([program.path, ...rest]);
    if (typeof limited === 'string') return this.fail(limited);
    if (this.stopMs !== null) return this.fail('stopped before it was started');
    const [file = '', ...args] = limited;
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const exit = new Promise<number>((resolve) =>
      child.once('exit', (code, signal) => resolve(exitCodeOf(code, signal))),
    );
    const refused = await new Promise<Error | null>((resolve) => {
      child.once('spawn', () => resolve(null));
      child.once('error', resolve);
    });
    if (refused !== null) return this.fail(refused.message);
    this.tell({ kind: 'started', key });
    const output = Promise.all([this.copy(child.stdout), this.copy(child.stderr)]);
    if (this.stopMs !== null) this.stop(this.stopMs);
    const exitCode = await exit;
    this.ended = true;
    clearTimeout(this.killTimer);
    this.killGroup('SIGKILL');
    await this.drained(output, child);
    this.tell({ kind: 'exited', key, exitCode, stopped: this.stopped });
  }

  stop(graceMs: number): void {
    if (this.child === null) this.stopMs = Math.min(this.stopMs ?? graceMs, graceMs);
    const killAt = performance.now() + graceMs;
    if (this.child?.pid === undefined || this.ended || killAt >= this.killAt) return;
    const first = this.killAt === Number.POSITIVE_INFINITY;
    this.killAt = killAt;
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.killGroup('SIGKILL'), graceMs);
    if (first) this.stopped = this.killGroup('SIGTERM');
  }

  /** The worker took the chunk that is under way. */
  taken(): void {
    this.took();
  }

  /** False when nobody was there any more. */
  killGroup(signal: NodeJS.Signals): boolean {
    const pid = this.child?.pid;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, signal);
    } catch {
      return false; // ESRCH: it has ended
    }
  }

  private fail(why: string): void {
    this.ended = true;
    this.tell({ kind: 'startFailed', key: this.order.key, failure: failure('execution.start', why) });
  }

  /**
   * The command line under its limits, or why they cannot be set. What a process writes to counts, not what it reserves:
   * a limit of its address space keeps Node.js, Java and CUDA from starting.
   */
  private async limited(line: readonly string[]): Promise<readonly string[] | string> {
    const { memoryBytes } = this.order;
    if (memoryBytes === 0) return line;
    const prlimit = await findProgram('prlimit', '/usr/bin:/bin:/usr/sbin:/sbin', '/');
    if ('why' in prlimit)
      return 'this worker cannot limit the memory of processes: prlimit (util-linux) is not there';
    return [prlimit.path, `--data=${memoryBytes}`, '--', ...line];
  }

  private async copy(stream: Readable | null): Promise<void> {
    for await (const bytes of stream ?? []) {
      await this.turn();
      this.tell({ kind: 'output', key: this.order.key, bytes: bytes as Uint8Array });
    }
  }

  /** Resolves when nothing is under way; from then on something is, until `taken`. */
  private turn(): Promise<void> {
    const mine = this.underWay;
    this.underWay = mine.then(
      () =>
        new Promise((resolve) => {
          this.took = resolve;
        }),
    );
    return mine;
  }

  private async drained(output: Promise<unknown>, child: ChildProcess): Promise<void> {
    const strangers = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, drainMs);
    // A destroyed stream ends its copy with an error: that is the end of the output then.
    await output.catch(() => undefined);
    clearTimeout(strangers);
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
