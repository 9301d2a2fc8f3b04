/** A home with one thing wrong at a time: what `grid fsck` says of it. The journals are real ones. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckFinding } from '@gryphgen/protocol';
import { productVersion } from '@gryphgen/protocol';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { saveSnapshot } from '../core/record/snapshot.ts';
import * as fold from '../fold.ts';
import { JournalError } from '../journal/journal.ts';
import { lockJournal } from '../journal/lock.ts';
import { openStore } from '../journal/open-store.ts';
import { journalSettings } from '../journal/settings.ts';
import { isSnapshot, readSnapshot, writeSnapshot } from '../journal/snapshot-file.ts';
import { encodeSnapshot } from '../records.ts';
import { checkHome, checkStoppedHome } from './check-home.ts';
import {
  bodyHash,
  commits,
  endedUpTo,
  makeHome,
  newerSnapshot,
  olderSnapshot,
  tasks,
} from './home.fixture.ts';

let scratch: string;
let sound: string;
let home: string;
const database = () => join(home, 'journal', 'journal-1.db');

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'gg-fsck-'));
  sound = join(scratch, 'sound');
  makeHome(sound);
});
afterAll(() => rmSync(scratch, { recursive: true }));
beforeEach(() => {
  home = join(scratch, 'home');
  cpSync(sound, home, { recursive: true });
});
afterEach(() => rmSync(home, { recursive: true }));

const damage = (): CheckFinding[] =>
  checkStoppedHome(home).findings.filter(({ level }) => level === 'damage');

function change(path: string, statement: string, ...values: (string | number | Uint8Array)[]): void {
  const db = new DatabaseSync(path);
  expect(db.prepare(statement).run(...values).changes).toBeGreaterThan(0);
  db.close();
}

/** One bit of one byte. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

it('finds nothing in a sound home, says what is there, and changes nothing', () => {
  // What other parts of the grid keep in it.
  for (const name of ['artifacts', 'worker', 'retrieval', 'engines', 'downloads', 'run', 'logs'])
    mkdirSync(join(home, name));
  writeFileSync(join(home, 'engines.json'), '{"engines":[]}');
  const before = readdirSync(join(home, 'journal')).filter((name) => !/^journal\.(lock|holder)/.test(name));
  const found = checkStoppedHome(home);
  expect(found).toMatchObject({ home, live: false, version: productVersion, witnesses: 0, findings: [] });
  expect(found.journal).toMatchObject({ epoch: 1, snapshot: newerSnapshot, finished: endedUpTo });
  expect(found.journal?.head.seq).toBe(commits);
  expect(readdirSync(join(home, 'journal')).filter((name) => before.includes(name))).toEqual(before);
});

it('checks a journal that is written meanwhile, as of one moment', () => {
  const dir = join(home, 'journal');
  const { store } = openStore({ dir, settings: journalSettings, program: productVersion, wallMs: 0 });
  store.append(Buffer.from([0x93, 0x90, 0x90, 0x02]), []);
  expect(checkHome({ home, live: true })).toMatchObject({ live: true, findings: [], journal: { epoch: 2 } });
  store.close();
});

it('does not look into a home that a broker has', () => {
  const lock = lockJournal(join(home, 'journal'), 'grid broker, pid 1');
  expect(() => checkStoppedHome(home)).toThrow(JournalError);
  lock.release();
});

it('names the commit whose content was changed', () => {
  change(database(), 'UPDATE groups SET records = ? WHERE seq = 45', Buffer.from('other'));
  const [first] = damage();
  expect(first).toMatchObject({ file: 'journal/journal-1.db', place: 'commit 45' });
  expect(first?.what).toContain('Commit 45 has damaged content');
  expect(first?.fix).toContain('start the broker');
});

it('names the digest that does not follow', () => {
  change(database(), 'UPDATE digests SET content = ? WHERE seq = 7', Buffer.alloc(32, 7));
  expect(damage()[0]).toMatchObject({ file: 'journal/journal-1.db', place: 'commit 7' });
});

it('names a damaged body, and the task that needs it', () => {
  const hash = bodyHash(tasks);
  change(database(), 'UPDATE blobs SET bytes = ? WHERE hash = ?', Buffer.from('x'), hash);
  const found = damage();
  expect(found.map(({ place }) => place)).toContain(`body ${hash.toString('hex')}`);
  expect(found.find(({ place }) => place === `t${tasks}`)?.fix).toContain(`cancel t${tasks}`);
});

it('names a damaged snapshot', () => {
  const name =
    readdirSync(join(home, 'journal')).find((file) => file.endsWith(`${olderSnapshot}.state`)) ?? '';
  flip(join(home, 'journal', name), 200);
  expect(damage()).toMatchObject([{ file: `journal/${name}`, place: `commit ${olderSnapshot}` }]);
});

it('names a snapshot that is whole and does not say what the commits before it make', () => {
  const dir = join(home, 'journal');
  const read = readSnapshot(dir, newerSnapshot);
  if (!isSnapshot(read)) throw new Error(read.what);
  const state = fold.load(read.state);
  const saved = saveSnapshot(state);
  writeSnapshot(dir, { ...read, state: encodeSnapshot({ ...saved, nextTask: saved.nextTask + 1 }) });
  const found = damage();
  expect(found.map(({ place }) => place)).toEqual([`commit ${newerSnapshot}`, `commit ${newerSnapshot}`]);
  expect(found[0]?.what).toContain('next task');
});

it('names the row of a finished task that was changed, and a table that is no table', () => {
  const path = join(home, 'journal', 'history.db');
  change(path, "UPDATE finished SET name = 'other' WHERE task = 3");
  expect(damage()).toMatchObject([{ file: 'journal/history.db', place: 't3' }]);
  writeFileSync(path, 'no database at all'.repeat(100));
  expect(damage()).toMatchObject([
    { file: 'journal/history.db', fix: expect.stringContaining('makes the table anew') },
  ]);
});

it('notices an end that was cut, by what the worker here has seen', () => {
  mkdirSync(join(home, 'worker'));
  const head = (seq: number, digest: string) =>
    writeFileSync(join(home, 'worker', 'head.json'), JSON.stringify({ seq, digest }));
  const { journal } = checkStoppedHome(home);
  head(commits, journal?.head.digest ?? '');
  expect(checkStoppedHome(home)).toMatchObject({ witnesses: 1, findings: [] });
  head(commits + 4, 'a'.repeat(64));
  expect(damage()).toMatchObject([{ place: `commit ${commits + 4}` }]);
  head(commits - 1, 'a'.repeat(64));
  expect(damage()[0]?.what).toContain(`has seen another commit ${commits - 1}`);
});

it('refuses a journal of a newer version in words', () => {
  change(database(), 'UPDATE state SET format = 9, digest = ?', Buffer.alloc(32));
  const db = new DatabaseSync(database());
  db.exec('PRAGMA user_version = 9');
  db.close();
  expect(damage()).toMatchObject([
    { what: expect.stringContaining('format 9'), fix: expect.stringContaining('newer') },
  ]);
});

it('names a key that cannot sign or encrypt any more, an open one, and a list that cannot be read', () => {
  const path = join(home, 'keys', 'broker.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as Record<'signing' | 'curve', Record<string, string>>;
  const other = JSON.parse(readFileSync(join(home, 'keys', 'grid.json'), 'utf8')) as typeof file;
  for (const part of ['signing', 'curve'] as const) {
    const mixed = { ...file, [part]: { ...file[part], secret: other[part].secret } };
    writeFileSync(path, JSON.stringify(mixed));
    expect(damage()).toMatchObject([{ file: 'keys/broker.json' }]);
  }
  writeFileSync(path, JSON.stringify(file));
  writeFileSync(join(home, 'keys', 'authorized.json'), '{"version":2}');
  expect(damage()).toMatchObject([{ file: 'keys/authorized.json' }]);
});

it('notes what lies there that no part of the grid has made', () => {
  writeFileSync(join(home, 'thesis.tex'), '');
  writeFileSync(join(home, 'journal', 'snapshot-1.new'), '');
  mkdirSync(join(home, 'journal', 'damaged-2026-11-21T10-00-00-000Z'));
  const { findings } = checkStoppedHome(home);
  expect(findings.map(({ level, file }) => `${level} ${file}`).sort()).toEqual([
    'note journal/damaged-2026-11-21T10-00-00-000Z',
    'note journal/snapshot-1.new',
    'note thesis.tex',
  ]);
});
