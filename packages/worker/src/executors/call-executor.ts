/**
 * Attempts that are questions to something in this process, and no programs: what answers is a `Call`.
 *
 * 1. A call that does not end in the grace it is given is told as ended, and what it still answers goes nowhere.
 * 2. Nothing outlives the worker: what a call changes is its own to make whole again, and a task of it may be tried again.
 */
import {
  type AttemptOutcome,
  encodeBody,
  type Failure,
  failure,
  type HeldShards,
  isEphemeral,
  type LeasedShard,
  limits,
  type PrincipalId,
  type Read,
  readOutcome,
  type ShardName,
  type TaskFiles,
  type TaskKind,
} from '@gryphgen/protocol';
import { type Alarms, type Cancel, type Clock, type Log, scanPath } from '@gryphgen/runtime';
import type { Files, Given } from '../artifacts/attempt-files.ts';
import type { LogWriter } from '../attempt-log.ts';
import type { StartOrder } from '../core/effects.ts';
import { type Fence, keyOf } from '../core/fence.ts';
import { type Executor, type ExecutorEvents, noOutcome } from './executor.ts';
import { foreign, type ProcessOwner } from './process-owner.ts';

export interface CallOrder<B> {
  readonly fence: Fence;
  readonly body: B;
  /** Who asks; undefined where the broker does not tell. */
  readonly principal: PrincipalId | undefined;
  /** Whether they ask as an admin, by the broker's word (E36). */
  readonly byAdmin: boolean;
  /** Which it is for, by the broker's word (E40); undefined of none. */
  readonly shard: LeasedShard | undefined;
  /** Which it is for; undefined where the kind has none. */
  readonly model: string | undefined;
  /** Whether the broker knows that its slot may be lent (E41). */
  readonly loan: boolean;
  /** Its inputs, in place and for reading. */
  readonly given: readonly Given[];
  /** Aborted when it is to end: it answers soon, whatever it answers. */
  readonly signal: AbortSignal;
  /** Aborted when others wait for the slot that it lends (E41). */
  readonly recalled: AbortSignal;
  /** What lies there becomes what it is to leave, beside its answer; why not, where it cannot be kept. */
  readonly leave: (folder: string) => Promise<Failure | null>;
  /** A line for the attempt's log; nothing where calls of this kind have none. */
  readonly tell: (line: string) => void;
}

/** What one kind of task is answered by. */
export interface Call<B = unknown> {
  readonly kind: TaskKind;
  /** Whether its attempts have logs: a file each. */
  readonly hasLog: boolean;
  ready(): Promise<boolean>;
  /** As it is to be, or `rejected.invalid` with the field and what was expected. */
  read(body: Uint8Array): Read<B>;
  filesOf(body: B): TaskFiles;
  /** Its result, of `resultBytes` at most, or why there is none. What it throws is a bug of ours. */
  answer(order: CallOrder<B>): Promise<Uint8Array | Failure>;
  /** Labels that its worker has for it now. */
  labels?(): Readonly<Record<string, string>>;
  /** Shards of collections that it has now. */
  shards?(): HeldShards | undefined;
}

/** Room for the names around it. */
export const resultBytes = limits.outcomeBytes - 64;

interface Running {
  readonly asked: AbortController;
  readonly recalled: AbortController;
  readonly log: LogWriter | null;
  /** It was asked to end before it had. */
  stopped: boolean;
  /** Its end was told. */
  told: boolean;
  killAtMs: number;
  cancelKill: Cancel;
}

export interface CallExecutorOptions {
  readonly events: ExecutorEvents;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly files: Files;
  readonly beginLog: (fence: Fence) => LogWriter;
  readonly noteSilent: (fence: Fence) => void;
  /** Its labels have changed; resolves when that was told. */
  readonly relabelled: () => Promise<void>;
  /** So has what it holds, and nothing else. */
  readonly heldChanged: () => Promise<void>;
}

export class CallExecutor implements Executor {
  readonly kind: TaskKind;
  private readonly call: Call;
  private readonly options: CallExecutorOptions;
  private readonly running = new Map<string, Running>();
  /** Calls that have not come back, some of them told as ended. */
  private readonly answering = new Set<Promise<void>>();
  private readonly encoder = new TextEncoder();
  private toldLabels = '';
  private toldHeld = '';

  constructor(call: Call, options: CallExecutorOptions) {
    this.kind = call.kind;
    this.call = call;
    this.options = options;
    this.toldLabels = JSON.stringify(this.labels());
    this.toldHeld = JSON.stringify(this.shards);
  }

  probe(): Promise<boolean> {
    return this.call.ready();
  }

  async adopt(): Promise<readonly []> {
    return [];
  }

  labels(): Readonly<Record<string, string>> {
    return this.call.labels?.() ?? {};
  }

  get shards(): HeldShards | undefined {
    return this.call.shards?.();
  }

  start(order: StartOrder): void {
    const { events, beginLog, noteSilent } = this.options;
    const { fence } = order;
    const read = this.call.read(order.body);
    if (!read.ok) {
      events.startFailed(fence, read.failure);
      return;
    }
    const log = this.call.hasLog ? beginLog(fence) : null;
    if (log === null) noteSilent(fence);
    const rest = {
      stopped: false,
      told: false,
      killAtMs: Number.POSITIVE_INFINITY,
      cancelKill: () => undefined,
    };
    const [asked, recalled] = [new AbortController(), new AbortController()];
    const running: Running = { asked, recalled, log, ...rest };
    this.running.set(keyOf(fence), running);
    const answering = this.answer(order, read.value, running).finally(() => this.answering.delete(answering));
    this.answering.add(answering);
  }

  stop(fence: Fence, graceMs: number): void {
    const running = this.running.get(keyOf(fence));
    if (running === undefined || running.told) return;
    const { clock, alarms } = this.options;
    running.stopped = true;
    running.asked.abort();
    const killAtMs = clock.mono() + graceMs;
    if (killAtMs >= running.killAtMs) return;
    running.cancelKill();
    running.killAtMs = killAtMs;
    running.cancelKill = alarms.after(graceMs, () => void this.end(fence, running, killed));
  }

  recall(fence: Fence): void {
    this.running.get(keyOf(fence))?.recalled.abort();
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    if (this.running.get(key)?.told) this.running.delete(key);
  }

  async ownerOf(): Promise<ProcessOwner> {
    return foreign;
  }

  async close(): Promise<void> {
    for (const running of this.running.values()) {
      running.cancelKill();
      running.told = true;
      running.asked.abort();
    }
    await Promise.all(this.answering);
    await Promise.all([...this.running.values()].map(({ log }) => log?.end()));
  }

  private async answer(order: StartOrder, body: unknown, running: Running): Promise<void> {
    const { events, files, log } = this.options;
    const { fence, principal, byAdmin = false, envelope, shard } = order;
    const { signal } = running.asked;
    const { signal: recalled } = running.recalled;
    const tell = (line: string): void => void running.log?.write(this.encoder.encode(`${line}\n`));
    try {
      const given = await files.give(fence, this.call.filesOf(body), { signal, tell });
      if (!given.ok) return await this.end(fence, running, given.failure);
      if (signal.aborted) return await this.end(fence, running, killed);
      events.started(fence);
      if (envelope.shard !== undefined && shard === undefined)
        return await this.end(fence, running, notOwned(envelope.shard));
      const who = { principal, byAdmin, shard: shard && envelope.shard && { ...envelope.shard, ...shard } };
      const loan = envelope.loan === true && envelope.attended === true && isEphemeral(fence.task);
      const about = { fence, body, ...who, model: envelope.model, loan, given: given.value };
      let left: AttemptOutcome = {};
      const leave = async (folder: string) => {
        const kept = await files.keep(fence, noOutcome, (path) => scanPath(folder, { name: path }), signal);
        if (!kept.ok) return kept.failure;
        left = readOutcome(kept.value) ?? {};
        return null;
      };
      const answer = await this.call.answer({ ...about, signal, recalled, leave, tell });
      await this.end(fence, running, answer, left);
    } catch (error) {
      log.error({ err: error, task: fence.task }, `a call of kind ${this.kind} threw`);
      const words = error instanceof Error ? error.message : String(error);
      await this.end(fence, running, failure('internal.bug', `the ${this.kind} call failed: ${words}`));
    }
  }

  private async tellLabels(): Promise<void> {
    const [labels, held] = [JSON.stringify(this.labels()), JSON.stringify(this.shards)];
    const [isRelabelled, holdsOthers] = [labels !== this.toldLabels, held !== this.toldHeld];
    this.toldLabels = labels;
    this.toldHeld = held;
    // A look at the machine tells both, and takes longer.
    if (isRelabelled) await this.options.relabelled();
    else if (holdsOthers) await this.options.heldChanged();
  }

  /** Once: later ends, of a call that was given up, are nobody's. */
  private async end(
    fence: Fence,
    running: Running,
    end: Uint8Array | Failure,
    left: AttemptOutcome = {},
  ): Promise<void> {
    if (running.told) return;
    running.told = true;
    running.cancelKill();
    const { stopped } = running;
    await running.log?.end();
    await this.tellLabels();
    const large = end instanceof Uint8Array && end.length > resultBytes;
    const why = large
      ? failure('internal.bug', `a result of ${end.length} bytes, at most ${resultBytes}`)
      : end;
    this.options.events.exited(
      fence,
      why instanceof Uint8Array
        ? { exitCode: 0, failure: null, outcome: encodeBody({ ...left, result: why }), stopped: false }
        : { exitCode: -1, failure: stopped ? null : why, outcome: noOutcome, stopped },
    );
  }
}

/** What a stopped attempt is told to have ended for is what it was stopped for. */
const killed = failure('cancelled.user', 'it was stopped');

/** The broker knows another owner by now, or is older than shards are. */
function notOwned({ collection, index }: ShardName): Failure {
  return failure(
    'rejected.state',
    `this machine does not own shard ${index + 1} of ${collection}, by the broker's word: expected its owner`,
  );
}
