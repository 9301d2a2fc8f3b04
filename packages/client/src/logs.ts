/**
 * A task's output, straight from the worker that has it, or from beside the broker where that is gone: the broker only
 * says where, and signs that it may be read.
 *
 * 1. Following, every attempt is read from its beginning to its end, in order, and none twice.
 * 2. A connection that breaks is taken up again where it broke, `maxTries` times in a row; then the reader is told. Whoever
 *    does not follow is told at once where the worker is not connected.
 */
import type { GrantDocument, RequestArgs, TaskId } from '@gryphgen/protocol';
import { type Failure, failure, GridError } from '@gryphgen/protocol';
import {
  type Alarms,
  type LogEvent,
  type LogReading,
  pause,
  placesBehind,
  placesBeside,
  readLog,
  type UselessPlaces,
} from '@gryphgen/runtime';
import type { Outcome } from './pending.ts';

const maxTries = 10;
const retryMs = 1000;

export interface LogOptions {
  readonly follow?: boolean;
  /** Offset in bytes in the first attempt read. */
  readonly from?: number;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal;
}

/** What of a client this needs. */
export interface LogSource {
  /** By which it talks to the broker now. */
  readonly brokerEndpoint: string;
  /** Workers that could not be connected to. */
  readonly unreached: UselessPlaces;
  request(op: 'logs', args: RequestArgs<'logs'>, signal?: AbortSignal): Promise<GrantDocument>;
  watch(
    task: TaskId,
    options: {
      readonly onChange: (change: { readonly attempt: number }) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<Outcome>;
}

export async function* readTaskLog(
  source: LogSource,
  alarms: Alarms,
  task: TaskId,
  { follow = false, from = 0, signal }: LogOptions,
  read: typeof readLog = readLog,
): AsyncGenerator<Uint8Array, void> {
  const life = follow ? new TaskLife(source, task, signal) : undefined;
  let [attempt, position, tries] = [0, from, 0];
  try {
    while (!signal?.aborted) {
      const found = await grantFor(source, task, signal);
      let why: Failure | null;
      if ('code' in found) {
        why = found;
        // Not placed yet, or between two attempts.
        if (why.code === 'rejected.state' && life !== undefined) {
          if (await life.newerThan(attempt)) continue;
          return;
        }
      } else {
        if (attempt !== 0 && found.attempt !== attempt) position = 0;
        attempt = found.attempt;
        const about = { task, from: position, follow, alarms, ...(signal && { signal }) };
        why = null;
        for await (const event of readAnywhere(source, found, about, read)) {
          if (event.kind === 'end') why = event.failure;
          else {
            tries = 0;
            position = event.offset + event.bytes.length;
            yield event.bytes;
          }
        }
      }
      if (signal?.aborted) return;
      if (why === null) {
        if (!(await life?.newerThan(attempt))) return;
      } else {
        tries += 1;
        const mayComeBack = life !== undefined || (!('code' in found) && isConnected(found));
        if (!mayComeBack || tries > maxTries || !isPassing(why)) throw new GridError(why);
        await pause(alarms, retryMs, signal);
      }
    }
  } finally {
    life?.end();
  }
}

/** From the worker, or from beside the broker where not a byte comes from there. */
async function* readAnywhere(
  { brokerEndpoint, unreached }: LogSource,
  found: GrantDocument,
  about: Pick<LogReading, 'task' | 'from' | 'follow' | 'alarms' | 'signal'>,
  read: typeof readLog,
): AsyncGenerator<LogEvent, void> {
  const { endpoint, dataKey, relay, beside, grant, attempt } = found;
  const orElse = placesBehind(relay, brokerEndpoint);
  const isThere = isConnected(found);
  const atWorker = isThere ? [{ endpoint, dataKey, orElse, unreached }] : [];
  const places = [...atWorker, ...placesBeside(beside, brokerEndpoint)];
  // The worker may come back with it, and be asked again: that it is not kept is not the last word.
  let why: Failure | undefined;
  for (const place of places) {
    let hasCome = false;
    for await (const event of read({ ...about, ...place, grant, attempt })) {
      hasCome ||= event.kind === 'chunk' || event.failure === null;
      if (event.kind === 'chunk' || hasCome) yield event;
      else if (!isThere) why = notConnected(event.failure);
      else why ??= event.failure ?? undefined;
    }
    if (hasCome || about.signal?.aborted) return;
  }
  why ??= notConnected(null);
  yield { kind: 'end', failure: why };
}

/** The worker that has the log, as far as the broker knows. */
function isConnected({ endpoint, relay }: GrantDocument): boolean {
  return endpoint !== '' || relay !== undefined;
}

function notConnected(why: Failure | null): Failure {
  const words = 'the worker that has the log is not connected now';
  return failure('lost.worker', why === null ? words : `${words}; ${why.message}`);
}

/** The grant, or why there is none now. */
async function grantFor(
  source: LogSource,
  task: TaskId,
  signal: AbortSignal | undefined,
): Promise<GrantDocument | Failure> {
  try {
    return await source.request('logs', { task, kept: true }, signal);
  } catch (error) {
    if (error instanceof GridError) return error.failure;
    throw error;
  }
}

function isPassing({ code }: Failure): boolean {
  return code === 'lost.worker' || code === 'lost.link';
}

/** Which attempt a task is at, as far as is known. */
class TaskLife {
  private readonly stop = new AbortController();
  private latest = 0;
  private ended = false;
  private wake: () => void = () => undefined;

  constructor(source: LogSource, task: TaskId, signal: AbortSignal | undefined) {
    const signals = signal === undefined ? [this.stop.signal] : [this.stop.signal, signal];
    const onChange = ({ attempt }: { readonly attempt: number }): void => this.reached(attempt, false);
    const watching = source.watch(task, { onChange, signal: AbortSignal.any(signals) });
    // A task that never was is told by the grant's refusal; here it only has ended.
    watching.then(
      ({ attempts }) => this.reached(attempts, true),
      () => this.reached(this.latest, true),
    );
  }

  /** Resolves with true when there is one, with false when there will be none. */
  async newerThan(attempt: number): Promise<boolean> {
    while (this.latest <= attempt && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.latest > attempt;
  }

  end(): void {
    this.stop.abort();
  }

  private reached(attempt: number, ended: boolean): void {
    this.latest = Math.max(this.latest, attempt);
    this.ended ||= ended;
    this.wake();
  }
}
