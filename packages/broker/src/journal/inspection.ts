/**
 * Reads a whole journal without changing it and decides what of it can be believed: from which snapshot to start, which
 * groups follow it without a break, and everything that is damaged or missing.
 *
 * 1. Nothing is written: what is damaged stays as it was found until it has been put aside.
 * 2. The prefix is the newest snapshot that agrees with the chain, and the groups that follow it as long as they check.
 * 3. No believable start (groups gone into a snapshot that cannot be read) is an error, never an empty journal.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type Acknowledged, readAcknowledged } from './acknowledged-file.ts';
import { indexBlobs, touchBlobs } from './blob-audit.ts';
import { BlobIndex } from './blob-index.ts';
import { type ChainPoint, firstGroup, readGroups } from './chain-reader.ts';
import {
  closeReader,
  type DatabaseSettings,
  forbidsWriting,
  hasOurTables,
  openForReading,
  readState,
  type StateRow,
} from './database.ts';
import { auditDigests, type DigestAudit, extend, type Gap } from './digest-audit.ts';
import { genesis, hex, sameBytes } from './digest-chain.ts';
import { FindingList } from './finding-list.ts';
import type { Finding } from './journal.ts';
import { JournalError } from './journal.ts';
import { snapshotsIn } from './journal-files.ts';
import { isSnapshot, readSnapshot, type Snapshot } from './snapshot-file.ts';
import { isDamage } from './sqlite-failure.ts';
import { scanWal, type WalEnd } from './wal-scan.ts';

export interface Inspection {
  readonly snapshot: Snapshot | undefined;
  /** Before the first group there is. */
  readonly firstGroup: ChainPoint;
  /** Before the first group that is kept; groups up to the snapshot are kept for the older snapshot's sake. */
  readonly groupsAfter: ChainPoint;
  readonly head: ChainPoint;
  readonly gaps: readonly Gap[];
  readonly epoch: number;
  /** Of what follows the snapshot. */
  readonly tailGroups: number;
  readonly tailBytes: number;
  readonly blobs: BlobIndex;
  readonly findings: readonly Finding[];
  /** Snapshots that cannot be used, by seq. */
  readonly badSnapshots: readonly number[];
}

const MAX_STRUCTURE_FINDINGS = 100;

interface Walk {
  readonly end: ChainPoint;
  readonly epoch: number;
  readonly bytes: number;
  readonly broken: Finding | undefined;
}

/**
 * Reads the journal in `dir` whose database is at `path`. `live`: a broker writes it meanwhile, perhaps in this process.
 * Then it is seen as of one moment; its write-ahead log is read by SQLite alone, and nothing opens the file itself, since
 * closing that would drop the locks that SQLite has on it.
 */
export function inspect(
  dir: string,
  path: string,
  settings: DatabaseSettings,
  program: string,
  live = false,
): Inspection {
  const findings = new FindingList();
  // Both before the database: what was acknowledged or folded by now must be in it.
  const acknowledged = readAcknowledged(dir);
  const snapshots = readSnapshots(dir, findings);
  const end = live ? undefined : scanWal(path);
  if (end !== undefined) findings.push(end.finding);
  if (!live && forbidsWriting(path))
    findings.push(structure("The journal's header names a version that cannot be written."));
  const db = tryOpen(path, settings, findings);
  try {
    if (live) db?.exec('BEGIN');
    const inspection = inspectOpen(dir, db, program, findings, snapshots);
    return { ...inspection, findings: heldAgainst(acknowledged, inspection, end) };
  } finally {
    if (db !== undefined) closeReader(db);
  }
}

function inspectOpen(
  dir: string,
  db: DatabaseSyncInstance | undefined,
  program: string,
  findings: FindingList,
  { good, bad }: ReturnType<typeof readSnapshots>,
): Inspection {
  const state = db === undefined ? undefined : readStructure(db, program, findings);
  const audit = db === undefined ? emptyAudit : auditDigests(db, findings);
  const gaps = [...audit.gaps];
  const start = db === undefined ? audit.end : startOfGroups(db, audit.end, gaps, findings);
  const blobs = db === undefined ? new BlobIndex() : indexBlobs(db, findings);

  const choice = chooseSnapshot(db, start, good, blobs, findings);
  bad.push(...choice.rejected);
  const { snapshot, spare } = choice;
  if (snapshot === undefined && start.seq > 0) throw hopeless(dir, start.seq, findings);
  const base = snapshot ?? start;
  const whole = spare.end.seq === base.seq;
  if (snapshot !== undefined && !whole) {
    findings.push(spare.broken ?? cutBefore(snapshot, spare.end));
    extend(gaps, spare.end.seq + 1, snapshot);
    // An older snapshot could no longer be followed to this one.
    bad.push(...good.filter(({ seq }) => seq < snapshot.seq).map(({ seq }) => seq));
  }
  const tail = walk(db, base, Number.MAX_SAFE_INTEGER, blobs, findings);
  if (tail.broken !== undefined) findings.push(tail.broken);
  const unreadable = db === undefined || tail.broken !== undefined || state === undefined;
  if (tail.end.seq === 0 && unreadable) throw hopeless(dir, 0, findings);
  return {
    snapshot,
    firstGroup: start,
    groupsAfter: whole ? start : base,
    head: tail.end,
    gaps,
    epoch: Math.max(state?.epoch ?? 0, spare.epoch, tail.epoch, snapshot?.epoch ?? 0),
    tailGroups: tail.end.seq - base.seq,
    tailBytes: tail.bytes,
    blobs,
    findings: findings.all(),
    badSnapshots: bad,
  };
}

/** What was acknowledged last tells a commit that a kill cut short from one that is lost. */
function heldAgainst(
  acknowledged: Acknowledged | undefined,
  { head, findings }: Inspection,
  end: WalEnd | undefined,
): readonly Finding[] {
  if (acknowledged === undefined) return findings;
  const { seq, digest } = acknowledged;
  if (head.seq < seq) {
    const what = `The log ends at commit ${head.seq}, but commit ${seq} was acknowledged.`;
    return [...findings, { kind: 'cut', seq: head.seq + 1, what, expected: digest, found: hex(head.digest) }];
  }
  if (end?.finding.kind !== 'wal' || !end.last) return findings;
  const what = 'The write-ahead log ends within a commit that nobody was told of.';
  return findings.map((found) => (found === end.finding ? { ...found, kind: 'torn', what } : found));
}

const emptyAudit: DigestAudit = { end: { seq: 0, digest: genesis }, gaps: [] };

function tryOpen(
  path: string,
  settings: DatabaseSettings,
  findings: FindingList,
): DatabaseSyncInstance | undefined {
  let db: DatabaseSyncInstance | undefined;
  try {
    db = openForReading(path, settings);
    if (hasOurTables(db)) return db;
    db.close();
    findings.push(structure("The journal's tables are not as they were made."));
    return undefined;
  } catch (error) {
    db?.close();
    if (!isDamage(error)) throw error;
    findings.push(structure(`The journal's file cannot be read: ${error.message}.`));
    return undefined;
  }
}

/** The settings row, when it is whole, after SQLite's own check of the file. */
function readStructure(
  db: DatabaseSyncInstance,
  program: string,
  findings: FindingList,
): StateRow | undefined {
  let state: StateRow | undefined;
  try {
    state = readState(db, program);
    if (state === undefined) findings.push(structure("The journal's settings are damaged or missing."));
    const check = db.prepare(`PRAGMA quick_check(${MAX_STRUCTURE_FINDINGS})`).all() as {
      quick_check: string;
    }[];
    for (const { quick_check: found } of check) {
      if (found !== 'ok') findings.push(structure(`The journal's file is damaged: ${found}.`));
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.push(structure(`The journal's file is damaged: ${error.message}.`));
  }
  return state;
}

/**
 * The point before the first group. Where that group vouches for itself but not for the digests before it, they are the
 * damaged ones: its own digest covers what it follows.
 */
function startOfGroups(
  db: DatabaseSyncInstance,
  end: ChainPoint,
  gaps: Gap[],
  findings: FindingList,
): ChainPoint {
  const first = firstGroup(db);
  if (first === undefined) return end;
  const before = { seq: first.seq - 1, digest: first.previous };
  if (before.seq < end.seq || (before.seq === end.seq && sameBytes(before.digest, end.digest))) return end;
  findings.push({
    kind: 'digest',
    seq: before.seq,
    what: `The digests end at commit ${end.seq} and do not lead to commit ${first.seq}.`,
    expected: hex(before.digest),
    found: hex(end.digest),
  });
  extend(gaps, Math.min(end.seq + 1, before.seq), before);
  return before;
}

/** Newest first, until one agrees with the chain. */
function chooseSnapshot(
  db: DatabaseSyncInstance | undefined,
  start: ChainPoint,
  good: readonly Snapshot[],
  blobs: BlobIndex,
  findings: FindingList,
): { snapshot: Snapshot | undefined; spare: Walk; rejected: number[] } {
  const rejected: number[] = [];
  for (const snapshot of good.toReversed()) {
    const spare = walk(db, start, snapshot.seq, blobs, findings);
    const reached = spare.end.seq === snapshot.seq;
    if (snapshot.seq >= start.seq && (!reached || sameBytes(spare.end.digest, snapshot.digest))) {
      return { snapshot, spare, rejected };
    }
    rejected.push(snapshot.seq);
    findings.push({
      kind: 'snapshot',
      seq: snapshot.seq,
      what: `The snapshot of commit ${snapshot.seq} does not belong to this journal's chain.`,
      expected: reached ? hex(spare.end.digest) : null,
      found: hex(snapshot.digest),
    });
  }
  return { snapshot: undefined, spare: { end: start, epoch: 0, bytes: 0, broken: undefined }, rejected };
}

function readSnapshots(dir: string, findings: FindingList): { good: Snapshot[]; bad: number[] } {
  const good: Snapshot[] = [];
  const bad: number[] = [];
  for (const seq of snapshotsIn(dir)) {
    const read = readSnapshot(dir, seq);
    if (isSnapshot(read)) {
      good.push(read);
    } else {
      findings.push(read);
      bad.push(seq);
    }
  }
  return { good, bad };
}

/** Follows the groups after `from`, and looks whether the blobs they name are there. */
function walk(
  db: DatabaseSyncInstance | undefined,
  from: ChainPoint,
  to: number,
  blobs: BlobIndex,
  findings: FindingList,
): Walk {
  let end = from;
  let epoch = 0;
  let bytes = 0;
  if (db === undefined || to <= from.seq) return { end, epoch, bytes, broken: undefined };
  const groups = readGroups(db, from, to);
  for (let next = groups.next(); ; next = groups.next()) {
    if (next.done) return { end, epoch, bytes, broken: next.value };
    const group = next.value;
    end = { seq: group.seq, digest: group.digest };
    epoch = Math.max(epoch, group.epoch);
    bytes += group.records.byteLength;
    findings.push(...touchBlobs(blobs, group.named, group.seq));
  }
}

function cutBefore(snapshot: Snapshot, end: ChainPoint): Finding {
  return {
    kind: 'cut',
    seq: end.seq + 1,
    what: `The log ends at commit ${end.seq}, before its snapshot of commit ${snapshot.seq}.`,
    expected: hex(snapshot.digest),
    found: hex(end.digest),
  };
}

function structure(what: string): Finding {
  return { kind: 'structure', seq: null, what, expected: null, found: null };
}

function hopeless(dir: string, seq: number, findings: FindingList): JournalError {
  const what = findings
    .all()
    .map((finding) => finding.what)
    .join(' ');
  return new JournalError(
    'damaged',
    `The journal in ${dir} cannot be opened: no snapshot of commit ${seq} or later and no groups before it can be ` +
      `believed. ${what} Restore a backup, or move the folder away to begin anew.`,
  );
}
