/**
 * One daemon as a child process, kept alive: restarted with growing waits when it ends by itself, until it is stopped.
 *
 * 1. There is at most one process at a time, and none after `stop`.
 * 2. The channel to the child is its life line: when this process dies, the child stops (daemon-life.ts).
 * 3. A daemon that ends before it was ever ready is not restarted: `start` rejects with its last words.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Alarms, Backoff, type Cancel, type Clock, type Random } from '@gryphgen/runtime';
import { daemonWordSchema } from './daemon-life.ts';

const program = fileURLToPath(new URL('../../bin/grid.js', import.meta.url));
const restarts = { baseMs: 500, ceilingMs: 30_000 };
/** A daemon that lived this long starts with a clean slate. */
const settledMs = 60_000;
/** For a journal to be closed, and attempts to be handed over; then SIGKILL. */
const stopMs = 20_000;
/** When it is larger, a new log file is begun at the start; one older is kept. */
const logBytes = 16 * 1024 * 1024;

export interface SupervisedOptions {
  /** `broker`, `worker`, … */
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  /** It ended by itself and is started again after `waitMs`. */
  readonly onRestart: (name: string, how: string, waitMs: number) => void;
}

type Details = Readonly<Record<string, unknown>>;

export class Supervised {
  readonly name: string;
  private readonly options: SupervisedOptions;
  private readonly backoff: Backoff;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;
  private cancelRestart: Cancel = () => undefined;

  constructor(options: SupervisedOptions) {
    this.name = options.name;
    this.options = options;
    this.backoff = new Backoff(options.random, restarts);
  }

  /** Resolves with what the daemon said when it was ready the first time. */
  start(): Promise<Details> {
    return new Promise((resolve, reject) => {
      this.spawn(resolve, (how) => reject(new Error(`${this.name} ${how} (log: ${this.options.logFile})`)));
    });
  }

  /** It is not started again, however it ends. */
  retire(): void {
    this.stopping = true;
    this.cancelRestart();
  }

  async stop(): Promise<void> {
    this.retire();
    const { child } = this;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const cancelKill = this.options.alarms.after(stopMs, () => child.kill('SIGKILL'));
    await this.ended;
    cancelKill();
  }

  private spawn(
    onReady: (details: Details) => void,
    onEndedFirst: ((how: string) => void) | undefined,
  ): void {
    const { name, args, env, logFile, clock } = this.options;
    const log = openLog(logFile);
    const startedAt = clock.mono();
    // In a group of its own: a Ctrl-C at the terminal is for the supervisor, which stops its daemons in order.
    const options = { env, detached: true, stdio: ['ignore', log, log, 'ipc'] } satisfies ForkOptions;
    const child = fork(program, [name, ...args], options);
    closeSync(log);
    this.child = child;
    let isFirst = onEndedFirst !== undefined;
    let lastWords = '';
    child.on('message', (raw) => {
      const word = daemonWordSchema.safeParse(raw);
      if (!word.success) return;
      if (word.data.kind === 'failed') lastWords = `: ${word.data.words}`;
      else {
        isFirst = false;
        onReady(word.data.details);
      }
    });
    this.ended = new Promise((resolve) => {
      const onEnd = (how: string): void => {
        if (this.child !== child) return;
        this.child = undefined;
        resolve();
        if (this.stopping) return;
        if (isFirst) onEndedFirst?.(how + lastWords);
        else this.restartLater(how + lastWords, clock.mono() - startedAt);
      };
      child.once('error', (error) => onEnd(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => onEnd(`ended with ${signal ?? `exit code ${code}`}`));
    });
  }

  private restartLater(how: string, livedMs: number): void {
    const { name, alarms, onRestart } = this.options;
    if (livedMs >= settledMs) this.backoff.reset();
    const waitMs = this.backoff.nextMs();
    onRestart(name, how, waitMs);
    this.cancelRestart = alarms.after(waitMs, () => this.spawn(() => undefined, undefined));
  }
}

/** Opened for appending: both lives of a daemon write to one file. */
export function openLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > logBytes) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}
