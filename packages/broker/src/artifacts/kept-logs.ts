/**
 * Logs of attempts that have ended, as their workers brought them: read from here when a worker is gone.
 *
 *   WORKER/tTASK.ATTEMPT.log
 *   WORKER/tTASK.ATTEMPT.sum   the sha-256 of its bytes, for `grid fsck --artifacts` (fsck/check-artifacts)
 *
 * 1. File names are made of a worker's id, as its grant has it, and of numbers: a worker writes in its own folder alone.
 * 2. A log gets its place by a rename when all of it has come.
 * 3. They take no more than a budget of bytes and of files, and stay no longer than their age; those that were brought
 *    first go first.
 * 4. A sum is of the log beside it, or is not there: it goes before the log does, and comes behind it. Logs of before there
 *    were sums have none.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failure } from '@gryphgen/protocol';
import {
  type Alarms,
  type Cancel,
  type Clock,
  type DataSource,
  type Duplex,
  freeBytes,
  type KeptLogHeader,
  type LogRange,
  resumedAt,
} from '@gryphgen/runtime';
import { IncomingLogs } from './incoming-logs.ts';

export interface KeptLogBounds {
  readonly maxBytes: number;
  /** Absent: however old. */
  readonly maxAgeMs?: number;
}
export const defaultKeptLogBytes = 1024 ** 3;
/** The smallest still costs an entry in its folder. */
const maxFiles = 50_000;
/** Left free on the disk whatever the budget says. */
const spareBytes = 256 * 1024 * 1024;
const lookMs = 600_000;
const chunkBytes = 64 * 1024;
const workerPattern = /^[\w-]{1,64}$/;
export const keptLogPattern = /^t[0-9]+\.[0-9]+\.log$/;

export interface KeptLogsOptions extends KeptLogBounds {
  readonly folder: string;
  readonly clock: Clock;
  readonly alarms: Alarms;
}

interface KeptLog {
  readonly bytes: number;
  readonly keptMs: number;
}

export class KeptLogs {
  private readonly options: KeptLogsOptions;
  /** By path below the folder; those brought first first. */
  private readonly kept = new Map<string, KeptLog>();
  private bytes = 0;
  private drafts = 0;
  private cancelLook: Cancel = () => undefined;

  private constructor(options: KeptLogsOptions) {
    this.options = options;
  }

  /** Rejects with what the file system says. */
  static async open(options: KeptLogsOptions): Promise<KeptLogs> {
    const logs = new KeptLogs(options);
    await logs.load();
    await logs.letGo();
    logs.look();
    return logs;
  }

  get counters(): Readonly<Record<'logs' | 'logBytes', number>> {
    return { logs: this.kept.size, logBytes: this.bytes };
  }

  close(): void {
    this.cancelLook();
  }

  /** What a worker brings. */
  take(worker: string, signal: AbortSignal): Duplex | { readonly failure: Failure } {
    if (!workerPattern.test(worker))
      return { failure: failure('rejected.invalid', 'this grant names no worker whose logs are kept') };
    return new IncomingLogs(
      { begin: () => this.begin(), keep: (draft, log, sum) => this.keep(worker, draft, log, sum) },
      signal,
    );
  }

  async read({ worker, task, attempt, from }: LogRange): Promise<DataSource> {
    const name = nameOf(worker, { task, attempt });
    const kept = this.kept.get(name);
    const file = kept && (await open(join(this.options.folder, name), 'r').catch(() => undefined));
    if (kept !== undefined && file !== undefined) return readOn(file, resumedAt(from, kept.bytes));
    const words = `the log of t${task}.${attempt} is not kept beside the broker: it was empty, its worker was gone before it brought it, or it was let go of since`;
    return failure('rejected.not-found', words);
  }

  private async begin(): Promise<{ readonly path: string; readonly file: FileHandle } | Failure> {
    const { folder } = this.options;
    if ((await freeBytes(folder)) < spareBytes)
      return failure('rejected.limit', 'the disk beside the broker has no room for logs');
    this.drafts += 1;
    const path = join(folder, `${this.drafts}.tmp`);
    return { path, file: await open(path, 'w', 0o600) };
  }

  private async keep(worker: string, draft: string, log: KeptLogHeader, sum: string): Promise<void> {
    const { folder, clock } = this.options;
    const name = nameOf(worker, log);
    const path = join(folder, name);
    await mkdir(join(folder, worker), { recursive: true, mode: 0o700 });
    await rm(sumOf(path), { force: true });
    await rename(draft, path);
    // A log without one is a log all the same, where the disk is full by now; what came of the sum is none.
    await writeFile(sumOf(path), sum, { mode: 0o600 }).catch(() => rm(sumOf(path), { force: true }));
    this.note(name, { bytes: log.bytes, keptMs: clock.wall() });
    await this.letGo();
  }

  private note(name: string, log: KeptLog): void {
    this.bytes += log.bytes - (this.kept.get(name)?.bytes ?? 0);
    this.kept.delete(name);
    this.kept.set(name, log);
  }

  private async letGo(): Promise<void> {
    const { folder, clock, maxBytes, maxAgeMs = Infinity } = this.options;
    const oldestMs = clock.wall() - maxAgeMs;
    for (const [name, { bytes, keptMs }] of this.kept) {
      if (this.bytes <= maxBytes && this.kept.size <= maxFiles && keptMs >= oldestMs) return;
      this.kept.delete(name);
      this.bytes -= bytes;
      await rm(sumOf(join(folder, name)), { force: true });
      await rm(join(folder, name), { force: true });
    }
  }

  private look(): void {
    this.cancelLook = this.options.alarms.after(lookMs, () => {
      // What cannot be removed now is tried again.
      this.letGo().catch(() => undefined);
      this.look();
    });
  }

  private async load(): Promise<void> {
    const { folder } = this.options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found: [string, KeptLog][] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isDirectory()) await rm(join(folder, entry.name), { force: true });
      else
        for (const file of await readdir(join(folder, entry.name))) {
          const name = join(entry.name, file);
          if (!keptLogPattern.test(file)) continue;
          const { size, mtimeMs } = await stat(join(folder, name));
          found.push([name, { bytes: size, keptMs: mtimeMs }]);
        }
    }
    for (const [name, log] of found.sort(([, a], [, b]) => a.keptMs - b.keptMs)) this.note(name, log);
  }
}

/** Where the sum of this log is. */
export function sumOf(path: string): string {
  return path.replace(/\.log$/, '.sum');
}

function nameOf(worker: string, { task, attempt }: Pick<KeptLogHeader, 'task' | 'attempt'>): string {
  return join(worker, `t${task}.${attempt}.log`);
}

async function* readOn(file: FileHandle, from: number): AsyncGenerator<Uint8Array, void> {
  try {
    for (let at = from; ; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
