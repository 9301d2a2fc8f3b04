/**
 * `grid fsck`: checks a home without changing anything in it. Of a home whose broker runs, the broker's own process asks
 * (fsck-thread.ts); else whoever holds the journal's lock.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckDocument, type JournalHead, journalHeadSchema, productVersion } from '@gryphgen/protocol';
import { lockJournal } from '../journal/lock.ts';
import { checkFiles } from './check-files.ts';
import { checkJournal } from './check-journal.ts';

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
  const checked = existsSync(dir) ? checkJournal(dir, witnessed, live) : { facts: null, findings: [] };
  return {
    home,
    live,
    version: productVersion,
    journal: checked.facts,
    witnesses: witnessed === null || checked.facts === null ? 0 : 1,
    findings: [...checked.findings, ...files],
  };
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
  try {
    return journalHeadSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data ?? null;
  } catch {
    return null;
  }
}
