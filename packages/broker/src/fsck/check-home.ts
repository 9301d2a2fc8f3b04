/**
 * `grid fsck`: checks a home without changing anything in it. Of a home whose broker runs, the broker's own process asks
 * (fsck-thread.ts); else whoever holds the journal's lock.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckDocument, type JournalHead, journalHeadSchema, productVersion } from '@gryphgen/protocol';
import { gridIdOf, parseJson } from '@gryphgen/runtime';
import { checkAudit } from '../audit/audit-check.ts';
import { closeReader, openForReading } from '../journal/database.ts';
import { knownDigest } from '../journal/digest-audit.ts';
import { hex } from '../journal/digest-chain.ts';
import { generationsIn, journalPath } from '../journal/journal-files.ts';
import { lockJournal } from '../journal/lock.ts';
import { journalSettings } from '../journal/settings.ts';
import { checkFiles } from './check-files.ts';
import { checkJournal, type JournalCheck } from './check-journal.ts';

export interface HomeCheck {
  readonly home: string;
  /** A broker writes in it meanwhile. */
  readonly live: boolean;
}

export function checkHome({ home, live }: HomeCheck): CheckDocument {
  const dir = join(home, 'journal');
  // Before the journal: what the worker was told by now must be in it.
  const witnessed = readWitness(home);
  const files = checkFiles(home);
  const checked = existsSync(dir)
    ? checkJournal(dir, witnessed, live)
    : { facts: null, audited: null, findings: [] };
  const audit = checkAuditOf(home, checked, live);
  return {
    home,
    live,
    version: productVersion,
    journal: checked.facts,
    audit: audit.facts,
    witnesses: witnessed === null || checked.facts === null ? 0 : 1,
    findings: [...checked.findings, ...audit.findings, ...files],
  };
}

/** Read after the journal: what that names must be in it. */
function checkAuditOf(
  home: string,
  { audited: anchor, facts }: Pick<JournalCheck, 'audited' | 'facts'>,
  live: boolean,
): ReturnType<typeof checkAudit> {
  const dir = join(home, 'audit');
  // A broker that was given no key of the grid's signs with its own.
  const key = ['grid', 'broker'].map((name) => publicKeyIn(home, name)).find((found) => found !== undefined);
  const isNone = !existsSync(dir) && anchor === null;
  if (isNone || key === undefined) return { facts: null, findings: [] };
  const options = { dir, grid: gridIdOf(key), key, anchor, live };
  const path = facts === null ? undefined : newestJournal(join(home, 'journal'));
  if (path === undefined) return checkAudit(options);
  const db = openForReading(path, journalSettings);
  try {
    const commit = (seq: number): string | undefined => {
      const known = knownDigest(db, seq);
      return known && hex(known);
    };
    return checkAudit({ ...options, commit });
  } finally {
    closeReader(db);
  }
}

function newestJournal(dir: string): string | undefined {
  const newest = generationsIn(dir).at(-1);
  return newest === undefined ? undefined : journalPath(dir, newest);
}

function publicKeyIn(home: string, name: string): string | undefined {
  const path = join(home, 'keys', `${name}.json`);
  if (!existsSync(path)) return undefined;
  const file = parseJson(readFileSync(path, 'utf8')) as { signing?: { public?: unknown } } | undefined;
  const key = file?.signing?.public;
  return typeof key === 'string' ? key : undefined;
}

/** Of a home that no broker runs on. Throws JournalError `locked` where one does. */
export function checkStoppedHome(home: string): CheckDocument {
  const dir = join(home, 'journal');
  // A home of a worker or a person has no journal, and is given none by a look at it.
  const lock = existsSync(dir) ? lockJournal(dir, `grid fsck, pid ${process.pid}`) : undefined;
  try {
    return checkHome({ home, live: false });
  } finally {
    lock?.release();
  }
}

/** What the worker of this home keeps (worker/head-file). One that cannot be read was of no use to anybody. */
function readWitness(home: string): JournalHead | null {
  const path = join(home, 'worker', 'head.json');
  if (!existsSync(path)) return null;
  return journalHeadSchema.safeParse(parseJson(readFileSync(path, 'utf8'))).data ?? null;
}
