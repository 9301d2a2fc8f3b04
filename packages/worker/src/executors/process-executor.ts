/**
 * Runs attempts as plain processes, without isolation: for machines whose owner trusts who submits. A keeper process
 * does the forking and holds the groups, their output and their ends.
 *
 * 1. Processes outlive their worker: the keeper holds them until the worker's next life has adopted them, their output
 *    from where the log stopped. Who wants them ended with the worker calls `endProcesses`.
 * 2. When the keeper dies, its attempts are lost (`lost.worker`), their groups are killed, and a new keeper is forked.
 *    So it is at adoption with what no keeper holds: the keeper was killed, the machine was started anew, or the keeper
 *    is of another version.
 * 3. What an attempt leaves running ends with it where it has a control group (control-groups.ts). Elsewhere soon after: its process
 *    group at once, what left that (setsid) by the mark in its environment. Only a process that also changed its environment
 *    escapes there; it has no isolation to break.
 * 4. An attempt's scratch folder is its own. It is there before the keeper is told to start the attempt, and gone when
 *    the attempt is forgotten: it notes, over a crash of both, that there was one.
 */
import { mkdir, rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Failure, failure, type Read, type TaskKind } from '@gryphgen/protocol';
import { type Alarms, type Log, makeRunFolder } from '@gryphgen/runtime';
import type { Files } from '../artifacts/attempt-files.ts';
import type { LogWriter } from '../attempt-log.ts';
import type { StartOrder } from '../core/effects.ts';
import type { AdoptedAttempt } from '../core/events.ts';
import { type Fence, keyOf, nameOf } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import { AttemptGroups } from './attempt-groups.ts';
import { type Adoption, type Executor, type ExecutorEvents, noOutcome } from './executor.ts';
import { heldAttempt, lostAttempt, notedFences, whyGone } from './process-adoption.ts';
import { leftIn } from './process-files.ts';
import { KeeperLife } from './process-keeper-life.ts';
import type { KeeperPlace } from './process-keeper-place.ts';
import type { FromKeeper, HeldAttempt, ProcessEnd } from './process-messages.ts';
import { type Prepare, type ProcessRuns, tasksAsProcesses } from './process-order.ts';
import type { ProcessOwner } from './process-owner.ts';
import { killStrays, ownerByScratch } from './stray-processes.ts';
import { StraySearch } from './stray-search.ts';

const nothing = { ok: true, value: noOutcome } as const;

export interface ProcessExecutorOptions {
  readonly events: ExecutorEvents;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly beginLog: (fence: Fence) => LogWriter;
  /** Goes on with the log of an earlier life; `position`: from where its output is wanted. */
  readonly resumeLog: (
    fence: Fence,
    held: { readonly from: number; readonly to: number },
  ) => Promise<{ readonly log: LogWriter; readonly position: number }>;
  /** `$GRID_HOME`. */
  readonly home: string;
  readonly files: Files;
  /** Looked through for programs, and given to the processes. */
  readonly path: string;
  readonly keeperFile?: string;
  /** Default: tasks that are processes, as their bodies say. */
  readonly runs?: ProcessRuns;
}

interface Run {
  readonly fence: Fence;
  readonly scratch: string;
  /** Null when nothing more is written. */
  log: LogWriter | null;
  stop: { readonly graceMs: number; readonly why: StopWhy } | null;
  /** Aborted by the first stop: files are not waited for any more. */
  readonly asked: AbortController;
  /** The keeper knows of it. */
  sent: boolean;
  /** That it runs is known: it was told, or found so. */
  started: boolean;
  /** Its end is known. */
  ended: boolean;
}

export class ProcessExecutor implements Executor {
  readonly kind: TaskKind;
  private readonly options: ProcessExecutorOptions;
  private readonly place: KeeperPlace;
  private readonly what: ProcessRuns;
  private readonly keeper: KeeperLife;
  private readonly runs = new Map<string, Run>();
  private readonly clearing = new Set<Promise<void>>();
  private readonly closing = new AbortController();
  private closed = false;
  private readonly strays: StraySearch;
  private readonly groups: AttemptGroups;

  constructor(options: ProcessExecutorOptions) {
    const { home, files, path, keeperFile, alarms, log } = options;
    this.options = options;
    this.what = options.runs ?? tasksAsProcesses(home, files, path);
    this.kind = this.what.kind;
    this.place = this.what.place;
    const [{ root }, isRunning] = [this.place, (scratch: string) => this.isRunning(scratch)];
    this.groups = new AttemptGroups(root, isRunning);
    this.strays = new StraySearch({ alarms, log, root, isRunning });
    this.keeper = new KeeperLife({
      ...{ place: this.place, alarms, log },
      file: keeperFile ?? fileURLToPath(new URL('./process-keeper.js', import.meta.url)),
      onMessage: (message, bytes) => void this.onMessage(message, bytes),
      onDeath: () => this.onKeeperDeath(),
    });
  }

  get troubles(): readonly string[] {
    return this.groups.troubles;
  }

  async probe(): Promise<boolean> {
    return !this.keeper.isHopeless;
  }

  async adopt(): Promise<Adoption> {
    const { place, keeper, options } = this;
    makeRunFolder(place.home);
    await mkdir(place.root, { recursive: true, mode: 0o700 });
    const noted = await notedFences(place);
    let met: Awaited<ReturnType<KeeperLife['meet']>>;
    try {
      met = await keeper.meet();
    } catch (error) {
      return { notYet: `the keeper of its processes cannot be asked what it holds: ${String(error)}` };
    }
    const found = await this.resumeAll('why' in met ? [] : met);
    if (this.what.inGroups) this.groups.find(options.log);
    const killed = await killStrays(place.root, (scratch) => this.isRunning(scratch));
    if (killed > 0) options.log.warn({ killed }, 'killed processes that an earlier life of this worker left');
    const why = 'why' in met ? (met.why ?? whyGone(place)) : 'its worker ended before it was started';
    for (const fence of noted) {
      if (this.runs.has(keyOf(fence))) continue;
      this.note(fence, { sent: true, ended: true });
      found.push(lostAttempt(fence, this.kind, why));
    }
    if ('why' in met && this.what.isKeeperEarly) await keeper.begin();
    for (const { fence, found: as } of found)
      options.log.info({ attempt: nameOf(fence), phase: as.phase }, 'adopted a process');
    return found;
  }

  start(order: StartOrder): void {
    const { fence } = order;
    const planned = this.what.plan(order, this.scratchOf(fence), this.groups.groups);
    if (planned.ok) void this.launch(this.note(fence, { log: this.options.beginLog(fence) }), planned.value);
    else this.options.events.startFailed(fence, planned.failure);
  }

  stop(fence: Fence, graceMs: number, why: StopWhy): void {
    const key = keyOf(fence);
    const run = this.runs.get(key);
    run?.asked.abort();
    if (run === undefined || run.ended) return;
    if (run.sent) this.keeper.send({ kind: 'stop', key, graceMs, why });
    else run.stop = { graceMs: Math.min(run.stop?.graceMs ?? graceMs, graceMs), why: run.stop?.why ?? why };
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    const run = this.runs.get(key);
    if (run === undefined) return;
    this.runs.delete(key);
    if (run.sent) this.keeper.send({ kind: 'forget', key });
    this.clear(run.scratch);
  }

  ownerOf(pid: number): Promise<ProcessOwner> {
    return ownerByScratch(pid, this.place.root);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.closing.abort();
    this.strays.stop();
    await this.keeper.close();
    await Promise.all([...this.runs.values()].map(({ log }) => log?.end()));
    await Promise.all(this.clearing);
    this.groups.leave();
  }

  private note(fence: Fence, known: Partial<Run>): Run {
    const asked = new AbortController();
    const fresh = { log: null, stop: null, asked, sent: false, started: false, ended: false };
    const run: Run = { fence, scratch: this.scratchOf(fence), ...fresh, ...known };
    this.runs.set(keyOf(fence), run);
    return run;
  }

  private scratchOf(fence: Fence): string {
    return resolve(this.place.root, keyOf(fence));
  }

  private isRunning(scratch: string): boolean {
    return this.runs.get(basename(scratch))?.ended === false;
  }

  /** Takes over what an earlier life started. A keeper that dies meanwhile finds all of it noted. */
  private async resumeAll(all: readonly HeldAttempt[]): Promise<AdoptedAttempt[]> {
    const found: AdoptedAttempt[] = [];
    const resumed: (readonly [HeldAttempt, Run])[] = [];
    for (const held of all) {
      const attempt = heldAttempt(held, (fence) => this.options.files.outputsOf(fence).length > 0);
      if (attempt === undefined) continue;
      found.push(attempt);
      const ended = attempt.found.phase === 'ended';
      resumed.push([held, this.note(attempt.fence, { sent: true, started: true, ended })]);
    }
    for (const [{ key, from, to }, run] of resumed) {
      const { log, position } = await this.options.resumeLog(run.fence, { from, to });
      run.log = log;
      this.keeper.send({ kind: 'resume', key, from: position });
    }
    return found;
  }

  private async launch(run: Run, prepare: Prepare): Promise<void> {
    let prepared: Awaited<ReturnType<Prepare>>;
    try {
      await mkdir(run.scratch, { mode: 0o700 });
      const signal = AbortSignal.any([run.asked.signal, this.closing.signal]);
      // Its log is its output alone: where it goes on is counted by that.
      prepared = await prepare({ signal, tell: () => undefined });
    } catch (error) {
      await this.fail(run, failure('lost.worker', `no scratch folder can be made: ${String(error)}`));
      return;
    }
    if (!prepared.ok) return await this.fail(run, prepared.failure);
    await this.keeper.beginOnce();
    if (this.closed) return;
    if (!this.keeper.isThere) {
      await this.fail(run, failure('lost.worker', 'the keeper that starts processes is not running'));
      return;
    }
    run.sent = true;
    this.keeper.send(prepared.value);
    if (run.stop !== null) this.keeper.send({ kind: 'stop', key: prepared.value.key, ...run.stop });
  }

  private async fail(run: Run, why: Failure): Promise<void> {
    run.ended = true;
    await run.log?.end();
    if (!this.closed) this.options.events.startFailed(run.fence, why);
  }

  private async onKeeperDeath(): Promise<void> {
    const lost = [...this.runs.values()].filter(({ sent, ended }) => sent && !ended);
    for (const run of lost) run.ended = true;
    this.groups.endOthers();
    await killStrays(this.place.root, (scratch) => this.isRunning(scratch));
    if (this.closed) return;
    const why = failure('lost.worker', 'the keeper that held its process died');
    for (const run of lost) await this.tellEnd(run, { exitCode: -1, failure: why, stopped: false });
  }

  private async onMessage(message: FromKeeper, bytes: Uint8Array): Promise<void> {
    const run = 'key' in message ? this.runs.get(message.key) : undefined;
    if (run === undefined || this.closed) return;
    switch (message.kind) {
      case 'started':
        if (!run.started && !run.ended) this.options.events.started(run.fence);
        run.started = true;
        break;
      case 'output':
        await run.log?.write(bytes);
        if (!this.closed) this.keeper.send({ kind: 'took', key: message.key, to: message.at + bytes.length });
        break;
      case 'ended': {
        this.strays.later();
        // Of one that was found ended only the log is still open.
        const isKnown = run.ended;
        run.ended = true;
        if (isKnown) await run.log?.end();
        else await this.tellEnd(run, message.end);
        break;
      }
      case 'used':
        if (!run.ended) this.options.events.used(run.fence, message.reading);
        break;
      case 'welcome':
      case 'held':
        break;
      default:
        message satisfies never;
    }
  }

  private async tellEnd(run: Run, end: ProcessEnd): Promise<void> {
    await run.log?.end();
    if (this.closed) return;
    const { fence, started } = run;
    if (end.failure !== null && !started) this.options.events.startFailed(fence, end.failure);
    else {
      const kept = end.failure === null && end.exitCode === 0 ? await this.keepOutputs(run) : nothing;
      if (this.closed) return;
      const { events } = this.options;
      if (kept.ok) events.exited(fence, { ...end, outcome: kept.value });
      else events.exited(fence, { ...end, failure: kept.failure, outcome: noOutcome });
    }
  }

  private async keepOutputs({ fence, scratch, asked }: Run): Promise<Read<Uint8Array>> {
    const { files } = this.options;
    if (files.outputsOf(fence).length === 0) return nothing;
    const signal = AbortSignal.any([asked.signal, this.closing.signal]);
    return await files.keep(fence, noOutcome, (path) => leftIn(scratch, path), signal);
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
