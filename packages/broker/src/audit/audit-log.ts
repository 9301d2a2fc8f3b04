/**
 * Writes the audit log, off the broker's loop: a line for each entry, a signed checkpoint now and then.
 *
 * 1. One write at a time, in order; what cannot be written waits, bounded, and is told.
 * 2. It goes on where the journal says that it ended. Where the file ends before, what is missing is recorded, signed, and
 *    found by every later check: a log whose end was cut does not heal.
 * 3. The oldest files go when all take too much, or are too old.
 */
import { readFileSync, truncateSync } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { JournalHead } from '@gryphgen/protocol';
import { type Identity, syncFolder } from '@gryphgen/runtime';
import {
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
  auditFormat,
  auditGenesis,
  type CheckpointRecord,
  signCheckpoint,
  writeLine,
} from './audit-chain.ts';
import { auditFilesIn, auditPath } from './audit-files.ts';

/** Records from one checkpoint to the next, at most; a check expects no more unsigned ones than twice as many. */
export const checkpointEvery = 500;
const fileBytes = 4 * 1024 * 1024;
/** Lines that wait for a disk that does not write. */
const mostWaiting = 10_000;

export interface AuditLogOptions {
  readonly dir: string;
  readonly grid: string;
  /** Of the grid, or whoever signs for it. */
  readonly signer: Identity;
  /** Older files go beyond it. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly journalHead: () => JournalHead;
  readonly wallMs: () => number;
  /** What could not be written waits; what could not be forgotten stays until the next file is full. */
  readonly onTrouble: (error: unknown, at: 'write' | 'forget') => void;
}

/** Lines that wait to be appended to a file. */
interface Waiting {
  readonly path: string;
  lines: string[];
}

export class AuditLog {
  private readonly options: AuditLogOptions;
  private head: AuditHead = { seq: 0, digest: auditGenesis };
  /** The last is of the newest file. */
  private waiting: Waiting[] = [];
  private waitingLines = 0;
  private bytes = 0;
  private unsigned = 0;
  private writing: Promise<void> | undefined;
  private lost: CheckpointRecord['lost'] = null;
  /** Entries that found no room to wait. */
  dropped = 0;

  constructor(options: AuditLogOptions) {
    this.options = options;
  }

  /** The newest record that was made; it is on disk once `flush` has resolved true. */
  get newest(): AuditHead {
    return this.head;
  }

  /** `anchor`: the record that the journal names. Rejects with what the file system says. */
  async start(anchor: AuditHead | null): Promise<void> {
    const { dir } = this.options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const { newest, digests } = await newestRecords(dir);
    const last = digests.at(-1);
    if (last !== undefined) this.head = { seq: newest + digests.length - 1, digest: last };
    if (anchor !== null && anchor.seq > this.head.seq) {
      this.lost = [this.head.seq + 1, anchor.seq];
      this.head = anchor;
    } else if (anchor !== null && last !== undefined && anchor.seq >= newest) {
      const isNamed = digests[anchor.seq - newest] === anchor.digest;
      if (!isNamed) this.lost = [anchor.seq, this.head.seq];
    }
    this.begin();
    if (await this.flush()) await this.forget();
  }

  add({ at, ...entry }: AuditEntry): void {
    if (this.waitingLines >= mostWaiting) {
      this.dropped += entry.count;
      return;
    }
    if (this.bytes >= fileBytes) this.begin();
    else if (this.unsigned >= checkpointEvery) this.sign();
    this.push({ kind: 'entry', seq: this.head.seq + 1, at, journal: this.options.journalHead(), ...entry });
    this.unsigned += 1;
  }

  /** Signs what is there, if anything came since the last time. */
  checkpoint(): void {
    if (this.unsigned > 0) this.sign();
  }

  /** Resolves when all that was added is on disk: true; or cannot be written now: false. */
  async flush(): Promise<boolean> {
    this.writing ??= this.write().finally(() => {
      this.writing = undefined;
    });
    await this.writing;
    return this.waitingLines === 0;
  }

  async stop(): Promise<void> {
    await this.writing;
    this.checkpoint();
    await this.flush();
  }

  /** A new file, named by its first record, which is a checkpoint. */
  private begin(): void {
    this.waiting.push({ path: auditPath(this.options.dir, this.head.seq + 1), lines: [] });
    this.bytes = 0;
    this.sign();
  }

  private sign(): void {
    const { grid, signer, journalHead, wallMs } = this.options;
    const { seq, digest: previous } = this.head;
    const { lost } = this;
    this.lost = null;
    const start = { kind: 'checkpoint', seq: seq + 1, at: wallMs(), journal: journalHead() } as const;
    this.push(signCheckpoint(signer, grid, { ...start, format: auditFormat, previous, lost }));
    this.unsigned = 0;
  }

  private push(record: AuditRecord): void {
    const { line, digest } = writeLine(this.head.digest, record);
    this.head = { seq: record.seq, digest };
    this.bytes += line.length;
    this.waiting.at(-1)?.lines.push(line);
    this.waitingLines += 1;
  }

  private async write(): Promise<void> {
    for (let first = this.waiting[0]; first !== undefined && this.waitingLines > 0; first = this.waiting[0]) {
      const { path, lines } = first;
      const count = lines.length;
      try {
        await append(path, lines.join(''));
      } catch (error) {
        this.options.onTrouble(error, 'write');
        return;
      }
      // They are on disk: whatever else fails, they are not written again.
      first.lines = lines.slice(count);
      this.waitingLines -= count;
      const isFull = this.waiting.length > 1;
      if (isFull && first.lines.length === 0) this.waiting.shift();
      if (isFull) await this.forget();
    }
  }

  private async forget(): Promise<void> {
    try {
      await this.forgetOldest();
    } catch (error) {
      this.options.onTrouble(error, 'forget');
    }
  }

  /** Oldest first: what is left after a failure, or a kill, is a log without a gap. */
  private async forgetOldest(): Promise<void> {
    const { dir, maxBytes, maxAgeMs, wallMs } = this.options;
    const files = auditFilesIn(dir).map((seq) => auditPath(dir, seq));
    let sum = 0;
    let oldest = files.length;
    for (const path of files.toReversed()) {
      const { size, mtimeMs } = await stat(path);
      sum += size;
      const isNewest = oldest === files.length;
      if (!isNewest && (sum > maxBytes || mtimeMs < wallMs() - maxAgeMs)) break;
      oldest -= 1;
    }
    for (const path of files.slice(0, oldest)) await rm(path, { force: true });
  }
}

/** All of it or, of a disk that is full, nothing. */
async function append(path: string, text: string): Promise<void> {
  const file = await open(path, 'a', 0o600);
  const { size } = await file.stat();
  try {
    await file.appendFile(text);
    await file.datasync();
    if (size === 0) await syncFolder(dirname(path));
  } catch (error) {
    await file.truncate(size).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Of the newest file that has a whole record. Newer ones, begun by a life that was killed or had no space before it wrote
 * in them, are removed: the chain goes on before them. Had they been emptied since, the journal names what is missing.
 */
async function newestRecords(
  dir: string,
): Promise<{ readonly newest: number; readonly digests: readonly string[] }> {
  for (const newest of auditFilesIn(dir).toReversed()) {
    const digests = digestsOf(auditPath(dir, newest));
    if (digests.length > 0) return { newest, digests };
    await rm(auditPath(dir, newest));
  }
  return { newest: 0, digests: [] };
}

/** Of each whole record of a file; what a crash left behind the last is cut off. */
function digestsOf(path: string): string[] {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.byteLength) truncateSync(path, end);
  const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  return lines.map((line) => line.slice(0, auditGenesis.length));
}
