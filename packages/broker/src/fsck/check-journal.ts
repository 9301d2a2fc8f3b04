/**
 * Everything a journal's folder can be checked for without changing it: the chain and the bodies (as an opening checks
 * them), that replaying makes what the snapshot says, that the state it makes holds its invariants, the table of
 * finished tasks, and what this machine's worker has witnessed.
 *
 * 1. `live`: a broker writes meanwhile. Then a finding counts when it is found again: files may change between two looks.
 */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CheckDocument, CheckFinding, Epoch, JournalHead } from '@gryphgen/protocol';
import { formatTaskId, productVersion } from '@gryphgen/protocol';
import type { AuditHead } from '../audit/audit-chain.ts';
import { brokenInvariants } from '../core/invariants.ts';
import type { BrokerState } from '../core/state.ts';
import { closeReader, openForReading } from '../journal/database.ts';
import { knownDigest } from '../journal/digest-audit.ts';
import { hex } from '../journal/digest-chain.ts';
import { countFinished } from '../journal/history-table.ts';
import { type Inspection, inspect } from '../journal/inspection.ts';
import { type Finding, type FindingKind, JournalError } from '../journal/journal.ts';
import {
  generationsIn,
  historyPath,
  journalPath,
  readEpochFile,
  snapshotPath,
} from '../journal/journal-files.ts';
import { whatIsWrong } from '../journal/mend-history.ts';
import { journalSettings } from '../journal/settings.ts';
import { replay } from './replay.ts';

export interface JournalCheck {
  /** Null when nothing of it can be believed. */
  readonly facts: CheckDocument['journal'];
  /** The newest record of the audit log that the journal names. */
  readonly audited: AuditHead | null;
  readonly findings: readonly CheckFinding[];
}

/** As often is a live journal looked at before what is found is believed. */
const looks = 3;
const wrongsShown = 20;

const opening =
  'start the broker: it goes on with what is sound and puts the rest aside; what is lost only a backup has (grid restore)';
const restoring = 'restore a backup: grid restore FILE --home NEW';
const remaking = 'start the broker: it makes the table anew';
const cutEnd =
  'somebody replaced the journal by an older one, or its end was lost: tasks that ended since may run again; a newer backup has more';

export function checkJournal(dir: string, witnessed: JournalHead | null, live: boolean): JournalCheck {
  for (let look = 1; ; look += 1) {
    const checked = lookAt(dir, witnessed, live);
    if (!live || look === looks || checked.findings.length === 0) return checked;
  }
}

function lookAt(dir: string, witnessed: JournalHead | null, live: boolean): JournalCheck {
  const generations = generationsIn(dir);
  const newest = generations.at(-1);
  if (newest === undefined) {
    const what = `there is no database in ${dir}`;
    return {
      facts: null,
      audited: null,
      findings: [{ level: 'damage', file: 'journal', place: '', what, fix: restoring }],
    };
  }
  const path = journalPath(dir, newest);
  const findings = generations.slice(0, -1).map((left): CheckFinding => {
    const what = 'an opening found it damaged, and ended before it could put it aside';
    return { level: 'damage', file: fileOf(journalPath(dir, left)), place: '', what, fix: opening };
  });
  try {
    const inspection = inspect(dir, path, journalSettings, productVersion, live);
    findings.push(...inspection.findings.map((finding) => told(finding, dir, path)));
    const finished = checkHistory(dir, inspection, findings);
    if (existsSync(join(dir, 'epoch')) && readEpochFile(dir) < inspection.epoch) {
      const what = `it does not say epoch ${inspection.epoch}, which the log has reached`;
      findings.push({ level: 'damage', file: 'journal/epoch', place: '', what, fix: opening });
    }
    const { epoch, head, snapshot, blobs } = inspection;
    const { ended, audited } = checkState(dir, path, inspection, findings, live);
    checkWitness(path, witnessed, inspection, findings);
    const facts = {
      epoch,
      head: { seq: head.seq, digest: hex(head.digest) },
      snapshot: snapshot?.seq ?? 0,
      bodies: blobs.size,
      // The table is written now and then; what it does not have yet, the state remembers.
      finished: Math.max(finished, ended.size),
    };
    return { facts, audited, findings };
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    const fix = error.code === 'newer' ? 'start the gryphgen that wrote it, or a newer one' : restoring;
    findings.push({ level: 'damage', file: fileOf(path), place: '', what: error.message, fix });
    return { facts: null, audited: null, findings };
  }
}

function checkHistory(dir: string, { snapshot }: Inspection, findings: CheckFinding[]): number {
  const path = historyPath(dir);
  const file = fileOf(path);
  if (!existsSync(path)) {
    if (snapshot !== undefined) {
      const what = `it is gone: of what ended up to commit ${snapshot.seq}, only the newest is known`;
      findings.push({ level: 'damage', file, place: '', what, fix: remaking });
    }
    return 0;
  }
  const wrong = whatIsWrong(path, snapshot?.seq ?? 0);
  if (wrong !== undefined) {
    findings.push({ level: 'damage', file, place: '', what: `it is damaged: ${wrong}`, fix: remaking });
    return 0;
  }
  const { sound, damaged } = countFinished(path);
  if (damaged.length > 0) {
    const place = damaged.slice(0, wrongsShown).map(formatTaskId).join(', ');
    const what = `the rows of ${damaged.length} finished tasks are damaged`;
    findings.push({ level: 'damage', file, place, what, fix: remaking });
  }
  return sound;
}

/** Replays, and looks whether what comes of it is possible and complete. Returns it. */
function checkState(
  dir: string,
  path: string,
  { epoch, blobs }: Inspection,
  findings: CheckFinding[],
  live: boolean,
): BrokerState {
  const db = openForReading(path, journalSettings);
  try {
    if (live) db.exec('BEGIN');
    const { state, differences, comparedAt } = replay(db, dir, epoch as Epoch);
    const file = fileOf(path);
    for (const difference of differences) {
      const what = `it does not say what the commits before it make: ${difference}`;
      const fix = 'report it with grid support-bundle: this is a bug of grid, or the file was made by hand';
      const place = `commit ${comparedAt}`;
      findings.push({ level: 'damage', file: fileOf(snapshotPath(dir, comparedAt)), place, what, fix });
    }
    for (const what of brokenInvariants(state).slice(0, wrongsShown)) {
      const fix = 'report it with grid support-bundle: the broker does not start on it';
      findings.push({ level: 'damage', file, place: '', what, fix });
    }
    const bodiless = [...state.tasks.values()].filter(
      ({ body }) => blobs.get(Buffer.from(body, 'hex')) === undefined,
    );
    for (const { id, body } of bodiless.slice(0, wrongsShown)) {
      const place = formatTaskId(id);
      const what = `the command of this unfinished task is not there (body ${body})`;
      const fix = `its next start will fail (internal.bug): cancel ${place} and submit it anew`;
      findings.push({ level: 'damage', file, place, what, fix });
    }
    return state;
  } finally {
    closeReader(db);
  }
}

/** This machine's worker kept the newest commit it was told of. */
function checkWitness(
  path: string,
  witnessed: JournalHead | null,
  { head }: Inspection,
  findings: CheckFinding[],
): void {
  if (witnessed === null || witnessed.seq === 0) return;
  const { seq, digest } = witnessed;
  const place = `commit ${seq}`;
  if (seq > head.seq) {
    const what = `this machine's worker has seen commit ${seq}, and the journal ends at commit ${head.seq}`;
    findings.push({ level: 'damage', file: fileOf(path), place, what, fix: cutEnd });
    return;
  }
  const db = openForReading(path, journalSettings);
  try {
    const known = knownDigest(db, seq);
    if (known === undefined || hex(known) === digest) return;
    const what = `this machine's worker has seen another commit ${seq}: ${digest}, and the journal has ${hex(known)}`;
    findings.push({ level: 'damage', file: fileOf(path), place, what, fix: cutEnd });
  } finally {
    db.close();
  }
}

const fixes: Partial<Record<FindingKind, string>> = {
  torn: 'nothing: nobody was told of that commit, and the next start of the broker cuts it off',
  history: remaking,
};

function told({ kind, seq, what, expected }: Finding, dir: string, path: string): CheckFinding {
  const isSnapshot = kind === 'snapshot' && seq !== null;
  const isWal = kind === 'wal' || kind === 'torn';
  return {
    level: kind === 'torn' ? 'note' : 'damage',
    file: isSnapshot ? fileOf(snapshotPath(dir, seq)) : fileOf(isWal ? `${path}-wal` : path),
    place: seq === null ? (kind === 'blob' ? `body ${expected ?? ''}`.trim() : '') : `commit ${seq}`,
    what,
    fix: fixes[kind] ?? opening,
  };
}

function fileOf(path: string): string {
  return join('journal', basename(path));
}
