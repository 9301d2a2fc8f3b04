/**
 * The output of attempts, as files in one folder: written by executors, read (and followed) through the data endpoint.
 *
 * 1. File names are made of numbers only: no name a peer chooses leads anywhere else.
 * 2. A log ends when its attempt's output has ended; a reader that follows then ends too.
 * 3. Ended logs stay until the folder exceeds its budget of bytes or files, or until they are too old; those that ended
 *    first go first. Running ones never go.
 * 4. That a log was copied to where it outlives this worker is told by its file: its group may read it.
 */
import { chmod, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptNo, isEphemeral, type TaskId } from '@gryphgen/protocol';
import type { Alarms, Cancel, Clock, Log } from '@gryphgen/runtime';
import { AttemptLog, type LogWriter } from './attempt-log.ts';

const MiB = 1024 * 1024;

export interface LogLimits {
  readonly attemptBytes: number;
  readonly totalBytes: number;
  /** From an attempt's end on; absent: however old. */
  readonly maxAgeMs?: number;
}
/** An attempt's output is for reading by people; results belong into artifacts. */
export const defaultLogLimits: LogLimits = { attemptBytes: 64 * MiB, totalBytes: 1024 * MiB };

/** One read from the file, and so one chunk towards the reader. */
const chunkBytes = 64 * 1024;
/** The smallest log still costs an entry in its folder. */
const maxEnded = 20_000;
const namePattern = /^t([0-9]+)\.([0-9]+)\.log$/;
const copiedMode = 0o640;
const lookMs = 600_000;

export interface LogRequest {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  /** Offset in bytes. */
  readonly from: number;
  /** Go on until the attempt ends. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export interface LogName {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
}

interface EndedLog extends LogName {
  readonly bytes: number;
  readonly epilogue: string;
  /** Wall ms. */
  readonly endedMs: number;
  copied: boolean;
}

export interface LogStoreDeps {
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
}

export class LogStore {
  private readonly folder: string;
  private readonly limits: LogLimits;
  private readonly clock: Clock;
  private readonly alarms: Alarms;
  private readonly log: Log;
  private cancelLook: Cancel = () => undefined;
  private readonly live = new Map<string, AttemptLog>();
  /** Oldest end first. */
  private readonly ended = new Map<string, EndedLog>();
  private endedBytes = 0;
  /** Of attempts that cannot write, and have no files; `silentNames` in a ring: a set forgets its oldest slowly. */
  private readonly silent = new Set<string>();
  private readonly silentNames: string[] = [];
  private nextSilent = 0;

  private constructor(folder: string, limits: LogLimits, { clock, alarms, log }: LogStoreDeps) {
    this.folder = folder;
    this.limits = limits;
    this.clock = clock;
    this.alarms = alarms;
    this.log = log;
  }

  static async open(folder: string, limits: LogLimits, deps: LogStoreDeps): Promise<LogStore> {
    const store = new LogStore(folder, limits, deps);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await Promise.all((await readdir(folder)).map((name) => endedIn(folder, name)));
    for (const ended of found.flat().sort((a, b) => a.endedMs - b.endedMs))
      store.noteEnded(nameOf(ended.task, ended.attempt), ended);
    // What goes on running is not known yet: the next log that ends makes room.
    store.look();
    return store;
  }

  /** A new, empty log. One of the same name is gone. */
  begin(task: TaskId, attempt: AttemptNo): LogWriter {
    const log = this.enliven(task, attempt);
    log.begin();
    return log;
  }

  /** For an output that is told from its first byte again: the log goes on where the two part. */
  retell(task: TaskId, attempt: AttemptNo): LogWriter {
    const log = this.live.get(nameOf(task, attempt)) ?? this.enliven(task, attempt);
    log.retell();
    return log;
  }

  /**
   * The log of an attempt that an earlier life began, and of whose output the bytes from one position to another can
   * still be had; `position`: from where they are wanted.
   */
  async resume(
    task: TaskId,
    attempt: AttemptNo,
    held: { readonly from: number; readonly to: number },
  ): Promise<{ readonly log: LogWriter; readonly position: number }> {
    const log = this.enliven(task, attempt);
    return { log, position: await log.goOn(held) };
  }

  private enliven(task: TaskId, attempt: AttemptNo): AttemptLog {
    const name = nameOf(task, attempt);
    this.endedBytes -= this.ended.get(name)?.bytes ?? 0;
    this.ended.delete(name);
    this.silent.delete(name);
    const onProblem = (error: unknown) => this.log.warn({ err: error, log: name }, 'a log cannot be written');
    const log: AttemptLog = new AttemptLog(
      join(this.folder, name),
      this.limits.attemptBytes,
      onProblem,
      () => {
        if (this.live.get(name) !== log) return;
        this.live.delete(name);
        const { bytes, epilogue } = log;
        const endedMs = this.clock.wall();
        this.noteEnded(name, { task, attempt, bytes, epilogue, endedMs, copied: false });
        this.letGo();
      },
    );
    this.live.set(name, log);
    return log;
  }

  /** A line of the grid's own, after the output of an attempt that runs; for readers in this life. */
  remark(task: TaskId, attempt: AttemptNo, words: string): void {
    this.live.get(nameOf(task, attempt))?.remark(words);
  }

  /** An empty log that costs nothing: of an attempt that has no way to write. Known in this life only. */
  noteSilent(task: TaskId, attempt: AttemptNo): void {
    const name = nameOf(task, attempt);
    this.silent.delete(this.silentNames[this.nextSilent] ?? '');
    this.silentNames[this.nextSilent] = name;
    this.nextSilent = (this.nextSilent + 1) % maxEnded;
    this.silent.add(name);
  }

  /** Whether there is a log, also an empty one. */
  has(task: TaskId, attempt: AttemptNo): boolean {
    const name = nameOf(task, attempt);
    return this.live.has(name) || this.ended.has(name) || this.silent.has(name);
  }

  /** Logs that have ended and were not copied, those that ended first first; none of ephemeral tasks, whose numbers return. */
  uncopied(most: number, isHeld: (log: LogName) => boolean): readonly LogName[] {
    const found: LogName[] = [];
    for (const log of this.ended.values()) {
      if (found.length >= most) break;
      if (log.copied || log.bytes + log.epilogue.length === 0 || isEphemeral(log.task)) continue;
      if (!isHeld(log)) found.push(log);
    }
    return found;
  }

  /** Of a log that has ended, with what is told behind it. */
  bytesOf({ task, attempt }: LogName): number {
    const { bytes = 0, epilogue = '' } = this.ended.get(nameOf(task, attempt)) ?? {};
    return bytes + Buffer.byteLength(epilogue);
  }

  /** It is not brought again. */
  async noteCopied({ task, attempt }: LogName): Promise<void> {
    const name = nameOf(task, attempt);
    const log = this.ended.get(name);
    if (log === undefined) return;
    log.copied = true;
    await chmod(join(this.folder, name), copiedMode).catch(() => undefined);
  }

  /** Ends when the log does (or, not following, where it ends now), or when `signal` is aborted. */
  async *read({
    task,
    attempt,
    from,
    follow,
    signal,
  }: LogRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const name = nameOf(task, attempt);
    const live = this.live.get(name);
    while (live !== undefined && live.bytes === 0 && !live.ended) {
      if (!follow || signal.aborted) return;
      await growthOf(live, signal);
    }
    let position = from;
    for await (const bytes of this.readFile(name, live, { from, follow, signal })) {
      position += bytes.length;
      yield bytes;
    }
    const isOver = live === undefined || live.ended;
    const log = live ?? this.ended.get(name);
    if (!isOver || log === undefined || log.epilogue === '' || signal.aborted) return;
    // It stands behind the last byte, so that whoever goes on reading from there gets it once.
    const rest = Buffer.from(log.epilogue).subarray(Math.max(0, position - log.bytes));
    if (rest.length > 0) yield rest;
  }

  private async *readFile(
    name: string,
    live: AttemptLog | undefined,
    { from, follow, signal }: Pick<LogRequest, 'from' | 'follow' | 'signal'>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const bytes = (live ?? this.ended.get(name))?.bytes ?? 0;
    if (bytes === 0) return;
    const file = await open(join(this.folder, name), 'r');
    try {
      for (let position = from; !signal.aborted; ) {
        const complete = live === undefined || live.ended;
        const { bytesRead, buffer } = await file.read(
          Buffer.allocUnsafe(chunkBytes),
          0,
          chunkBytes,
          position,
        );
        position += bytesRead;
        if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
        else if (complete || !follow) return;
        else if (live.bytes <= position) await growthOf(live, signal);
      }
    } finally {
      await file.close();
    }
  }

  /** Ends what is still being written; the attempts' next life goes on with those logs, or begins them anew. */
  async close(): Promise<void> {
    this.cancelLook();
    await Promise.all([...this.live.values()].map((log) => log.end()));
  }

  private noteEnded(name: string, log: EndedLog): void {
    this.ended.set(name, log);
    this.endedBytes += log.bytes;
  }

  private look(): void {
    this.cancelLook = this.alarms.after(lookMs, () => {
      this.letGo();
      this.look();
    });
  }

  private letGo(): void {
    this.evict().catch((error: unknown) => this.log.warn({ err: error }, 'an old log cannot be removed'));
  }

  private async evict(): Promise<void> {
    const { totalBytes, maxAgeMs = Infinity } = this.limits;
    const oldestMs = this.clock.wall() - maxAgeMs;
    for (const [name, { bytes, endedMs }] of this.ended) {
      if (this.endedBytes <= totalBytes && this.ended.size <= maxEnded && endedMs >= oldestMs) return;
      this.ended.delete(name);
      this.endedBytes -= bytes;
      await rm(join(this.folder, name), { force: true });
    }
  }
}

function nameOf(task: TaskId, attempt: AttemptNo): string {
  if (!Number.isSafeInteger(task) || !Number.isSafeInteger(attempt))
    throw new Error('a log is named by numbers');
  return `t${task}.${attempt}.log`;
}

/** Of an earlier life; empty where the file is no log. */
async function endedIn(folder: string, name: string): Promise<readonly EndedLog[]> {
  const [, task, attempt] = namePattern.exec(name) ?? [];
  if (task === undefined) return [];
  const { size, mtimeMs, mode } = await stat(join(folder, name));
  const [isOf, copied] = [{ task: Number(task), attempt: Number(attempt) } as LogName, (mode & 0o040) !== 0];
  return [{ ...isOf, bytes: size, epilogue: '', endedMs: mtimeMs, copied }];
}

function growthOf(log: AttemptLog, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let takeBack: () => void = () => undefined;
    const done = () => {
      takeBack();
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    takeBack = log.onGrowth(done);
    if (signal.aborted) done();
  });
}
