/**
 * Runs attempts as plain processes, without isolation: for machines whose owner trusts who submits. A keeper process
 * does the forking and holds the groups.
 *
 * 1. Processes never outlive their worker: the keeper kills them when the worker goes, and the next life kills what a
 *    crash of both left over. Nothing is adopted.
 * 2. When the keeper dies, its attempts are lost (`lost.worker`), their groups are killed, and a new keeper is forked.
 * 3. What an attempt leaves running ends soon after it: its group at once, what left the group (setsid) by the mark in
 *    its environment. Only a process that also changed its environment escapes; it has no isolation to break.
 * 4. An attempt's scratch folder is its own, and gone when it is forgotten.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeBody, failure, type ProcessBody, processBodySchema, type Read } from '@gryphgen/protocol';
import type { Alarms, Cancel, Log } from '@gryphgen/runtime';
import type { LogWriter } from '../attempt-log.ts';
import type { StartOrder } from '../core/effects.ts';
import { type Fence, keyOf } from '../core/fence.ts';
import { type Executor, type ExecutorEvents, noOutcome } from './executor.ts';
import type { FromKeeper, ToKeeper } from './process-messages.ts';
import { killStrays, scratchVariable } from './stray-processes.ts';

/** Keepers that die at once have a reason that another one has too. */
const maxKeeperDeaths = 10;
/** From the end of an attempt to the search for what it left; one search reads all of /proc and serves all that ended. */
const searchMs = 1000;

export interface ProcessExecutorOptions {
  readonly events: ExecutorEvents;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly beginLog: (fence: Fence) => LogWriter;
  /** Holds the scratch folders; nothing else may be in it. */
  readonly folder: string;
  /** Looked through for programs, and given to the processes. */
  readonly path: string;
  readonly keeperFile?: string;
}

interface Run {
  readonly fence: Fence;
  readonly scratch: string;
  readonly log: LogWriter;
  stopMs: number | null;
  sent: boolean;
  ended: boolean;
}

export class ProcessExecutor implements Executor {
  readonly kind = 'process';
  private readonly options: ProcessExecutorOptions;
  private readonly root: string;
  private readonly runs = new Map<string, Run>();
  private readonly clearing = new Set<Promise<void>>();
  private keeper: ChildProcess | null = null;
  private keeperGone: Promise<void> = Promise.resolve();
  private deaths = 0;
  private closed = false;
  private cancelSearch: Cancel | null = null;

  constructor(options: ProcessExecutorOptions) {
    this.options = options;
    this.root = resolve(options.folder);
  }

  async probe(): Promise<boolean> {
    return this.deaths < maxKeeperDeaths;
  }

  async adopt(): Promise<readonly []> {
    const killed = await killStrays(this.root);
    if (killed > 0)
      this.options.log.warn({ killed }, 'killed processes that an earlier life of this worker left');
    await rm(this.root, { recursive: true, force: true });
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    this.forkKeeper();
    return [];
  }

  start(order: StartOrder): void {
    const { fence } = order;
    const body = readBody(order);
    if (!body.ok) {
      this.options.events.startFailed(fence, body.failure);
      return;
    }
    const key = keyOf(fence);
    const log = this.options.beginLog(fence);
    const run: Run = {
      fence,
      scratch: resolve(this.root, key),
      log,
      stopMs: null,
      sent: false,
      ended: false,
    };
    this.runs.set(key, run);
    void this.launch(key, run, order, body.value);
  }

  stop(fence: Fence, graceMs: number): void {
    const key = keyOf(fence);
    const run = this.runs.get(key);
    if (run === undefined || run.ended) return;
    if (run.sent) this.send({ kind: 'stop', key, graceMs });
    else run.stopMs = Math.min(run.stopMs ?? graceMs, graceMs);
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    const run = this.runs.get(key);
    if (run === undefined) return;
    this.runs.delete(key);
    this.clear(run.scratch);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancelSearch?.();
    if (this.keeper?.connected) this.keeper.disconnect();
    await this.keeperGone;
    await Promise.all([...this.runs.values()].map(({ log }) => log.end()));
    for (const { scratch } of this.runs.values()) this.clear(scratch);
    await Promise.all(this.clearing);
  }

  private async launch(key: string, run: Run, order: StartOrder, body: ProcessBody): Promise<void> {
    try {
      await mkdir(run.scratch, { mode: 0o700 });
    } catch (error) {
      await this.fail(run, `no scratch folder can be made: ${String(error)}`);
      return;
    }
    if (this.closed) return;
    if (this.keeper === null) {
      await this.fail(run, 'the keeper that starts processes is not running');
      return;
    }
    run.sent = true;
    this.send({
      kind: 'start',
      key,
      command: body.command,
      env: this.environmentOf(run, order, body),
      cwd: body.workdir ?? run.scratch,
      memoryBytes: order.envelope.resources.memoryBytes,
    });
    if (run.stopMs !== null) this.send({ kind: 'stop', key, graceMs: run.stopMs });
  }

  /** The least that programs expect, and what the attempt is; never the worker's own environment. */
  private environmentOf(
    { scratch, fence }: Run,
    { devices }: StartOrder,
    { env }: ProcessBody,
  ): Record<string, string> {
    return {
      PATH: this.options.path,
      HOME: scratch,
      ...env,
      [scratchVariable]: scratch,
      GRID_TASK: `t${fence.task}`,
      GRID_ATTEMPT: String(fence.attempt),
      CUDA_VISIBLE_DEVICES: devices.map(({ uuid }) => uuid as string).join(','),
    };
  }

  private async fail(run: Run, why: string): Promise<void> {
    run.ended = true;
    await run.log.end();
    if (!this.closed) this.options.events.startFailed(run.fence, failure('lost.worker', why));
  }

  private forkKeeper(): void {
    const file = this.options.keeperFile ?? fileURLToPath(new URL('./process-keeper.js', import.meta.url));
    const keeper = fork(file, [], {
      serialization: 'advanced',
      execArgv: [],
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.keeper = keeper;
    keeper.on('message', (message) => void this.onMessage(message as FromKeeper));
    keeper.on('error', (error) => this.options.log.error({ err: error }, 'the process keeper'));
    this.keeperGone = new Promise((gone) => {
      keeper.once('exit', () => {
        this.keeper = null;
        void this.onKeeperDeath().finally(gone);
      });
    });
  }

  private async onKeeperDeath(): Promise<void> {
    await killStrays(this.root);
    if (this.closed) return;
    this.deaths += 1;
    this.options.log.error({ deaths: this.deaths }, 'the process keeper died; its attempts are lost');
    const lost = [...this.runs.values()].filter((run) => run.sent && !run.ended);
    if (this.deaths < maxKeeperDeaths) this.forkKeeper();
    for (const run of lost) {
      run.ended = true;
      await run.log.end();
      const why = failure('lost.worker', 'the keeper that held its process died');
      this.options.events.exited(run.fence, {
        exitCode: -1,
        failure: why,
        outcome: noOutcome,
        stopped: false,
      });
    }
  }

  private async onMessage(message: FromKeeper): Promise<void> {
    const run = this.runs.get(message.key);
    if (run === undefined || run.ended || this.closed) return;
    switch (message.kind) {
      case 'started':
        this.options.events.started(run.fence);
        break;
      case 'output':
        await run.log.write(message.bytes);
        this.send({ kind: 'took', key: message.key });
        break;
      case 'startFailed':
        run.ended = true;
        await run.log.end();
        this.options.events.startFailed(run.fence, message.failure);
        break;
      case 'exited': {
        run.ended = true;
        this.searchLater();
        await run.log.end();
        const { exitCode, stopped } = message;
        this.options.events.exited(run.fence, { exitCode, failure: null, outcome: noOutcome, stopped });
        break;
      }
      default:
        message satisfies never;
    }
  }

  private searchLater(): void {
    this.cancelSearch ??= this.options.alarms.after(searchMs, () => void this.search());
  }

  private async search(): Promise<void> {
    this.cancelSearch = null;
    const inUse = (scratch: string) => this.runs.get(basename(scratch))?.ended === false;
    try {
      const killed = await killStrays(this.root, inUse);
      if (killed > 0) this.options.log.warn({ killed }, 'killed processes that ended attempts left');
    } catch (error) {
      this.options.log.warn({ err: error }, 'processes that ended attempts left cannot be looked for');
    }
  }

  private send(message: ToKeeper): void {
    // A keeper that has just died is told apart by its exit, which ends every attempt it held.
    if (this.keeper?.connected) this.keeper.send(message, () => undefined);
  }

  private clear(scratch: string): void {
    const cleared = rm(scratch, { recursive: true, force: true })
      .catch((error: unknown) =>
        this.options.log.warn({ err: error, scratch }, 'a scratch folder cannot be removed'),
      )
      .finally(() => this.clearing.delete(cleared));
    this.clearing.add(cleared);
  }
}

function readBody({ body }: StartOrder): Read<ProcessBody> {
  const decoded = decodeBody(body);
  if (!decoded.ok) return decoded;
  const parsed = processBodySchema.safeParse(decoded.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  const where = ['body', ...(issue?.path ?? [])].map(String).join('.');
  return { ok: false, failure: failure('rejected.invalid', `${where}: ${issue?.message ?? 'is not valid'}`) };
}
