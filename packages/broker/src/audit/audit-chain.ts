/**
 * The audit log's records as lines of text: `DIGEST BODY`, where the digest is the sha-256 of the digest before it, a
 * space and the body, which is JSON. Frozen for format 1: a changed byte here makes every log look forged.
 *
 * 1. Each record names the newest commit of the journal; the journal names the log's newest record (decision
 *    `keysForgotten`, its last part). Workers keep the journal's heads, so they are witnesses of this log too.
 * 2. A checkpoint is signed by the grid's key: over the record before it, and the journal's head.
 * 3. Each file begins with a checkpoint: those before it can be forgotten, and what is left can still be checked.
 */
import { hash } from 'node:crypto';
import type { FailureCode, JournalHead } from '@gryphgen/protocol';
import { type Identity, verifySignature } from '@gryphgen/runtime';

export const auditFormat = 1;
/** What the first record follows. */
export const auditGenesis = '0'.repeat(64);

/** The log up to a record. */
export interface AuditHead {
  readonly seq: number;
  readonly digest: string;
}

/** Who asked for what, from where, and what became of it. The same within an interval is one entry with a count. */
export interface AuditEntry {
  /** A principal; '' of whoever has shown no key. */
  readonly who: string;
  readonly role: string;
  /** Its network address, as far as the broker was told: '' of a connection on this machine. */
  readonly from: string;
  readonly what: string;
  /** What it was about: a task, a node, a role; of many the first. */
  readonly subject: string;
  /** '' when it was granted. */
  readonly code: FailureCode | '';
  readonly count: number;
  /** Wall clock, ms: of the first and of the last. */
  readonly at: number;
  readonly until: number;
}

interface RecordStart {
  readonly seq: number;
  readonly at: number;
  readonly journal: JournalHead;
}

export interface EntryRecord extends RecordStart, Omit<AuditEntry, 'at'> {
  readonly kind: 'entry';
}

export interface CheckpointRecord extends RecordStart {
  readonly kind: 'checkpoint';
  readonly format: number;
  /** Of the record before it. */
  readonly previous: string;
  /** The records that were gone when the broker started, if any were: the log ended before what the journal names. */
  readonly lost: readonly [first: number, last: number] | null;
  /** Base64url Ed25519. */
  readonly signature: string;
}

export type AuditRecord = EntryRecord | CheckpointRecord;

export function digestOf(previous: string, body: string): string {
  return hash('sha256', `${previous} ${body}`);
}

export function writeLine(
  previous: string,
  record: AuditRecord,
): { readonly line: string; readonly digest: string } {
  const body = JSON.stringify(record);
  const digest = digestOf(previous, body);
  return { line: `${digest} ${body}\n`, digest };
}

export type Unsigned = Omit<CheckpointRecord, 'signature'>;

export function signCheckpoint(
  signer: Pick<Identity, 'sign'>,
  grid: string,
  record: Unsigned,
): CheckpointRecord {
  return { ...record, signature: signer.sign(signedBytes(grid, record)) };
}

/** `key`: the grid's public signing key. */
export function isSigned(key: string, grid: string, record: CheckpointRecord): boolean {
  return verifySignature(key, signedBytes(grid, record), record.signature);
}

/** No field can hold a NUL, so two different checkpoints never have the same bytes. */
function signedBytes(grid: string, { format, seq, at, journal, previous, lost }: Unsigned): Buffer {
  const parts = [format, seq, at, journal.seq, journal.digest, previous, lost?.[0] ?? '', lost?.[1] ?? ''];
  return Buffer.from(['GG-AUDIT', grid, ...parts].join('\0'));
}
