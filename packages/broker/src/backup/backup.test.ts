/** Backups of a real home, restored, and everything that must be refused. */

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@gryphgen/protocol';
import { gridIdOf, loadIdentity, writeArchive } from '@gryphgen/runtime';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { auditFilesIn, auditPath } from '../audit/audit-files.ts';
import { checkStoppedHome } from '../fsck/check-home.ts';
import { commits, endedUpTo, makeHome, tasks } from '../fsck/home.fixture.ts';
import { replay } from '../fsck/replay.ts';
import { openForReading } from '../journal/database.ts';
import { journalPath } from '../journal/journal-files.ts';
import { openStore } from '../journal/open-store.ts';
import { journalSettings } from '../journal/settings.ts';
import { backupKind } from './backup-file.ts';
import { restore } from './restore.ts';
import { writeBackup } from './write-backup.ts';

const wallMs = Date.UTC(2026, 10, 21, 12);
let scratch: string;
let home: string;
let whole: string;
/** A folder that is empty before each test. */
let place: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'gg-backup-'));
  home = join(scratch, 'home');
  whole = join(scratch, 'whole.tar');
  makeHome(home);
  await writeBackup({ home, file: whole, withKeys: true, wallMs });
});
afterAll(() => rmSync(scratch, { recursive: true }));
beforeEach(() => {
  place = mkdtempSync(join(scratch, 'test-'));
});

const restored = (file: string, keys = '') => restore({ file, home: join(place, 'new'), keys, wallMs });

function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GridError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

it('a restored home is whole, and begins where nothing of the lost time can be mistaken', () => {
  const told = restored(whole);
  const { epoch, nextTask } = told;
  expect(told).toMatchObject({
    unfinished: tasks - endedUpTo,
    backup: { withKeys: true, head: { seq: commits } },
  });
  // The lost time had epochs and tasks of its own.
  expect(epoch).toBeGreaterThan(1_000_000);
  expect(nextTask).toBeGreaterThan(1_000_000 + tasks);
  const found = checkStoppedHome(told.home);
  expect(found.findings).toEqual([]);
  expect(found.journal).toMatchObject({ head: { seq: commits + 1 }, bodies: tasks, finished: endedUpTo });
  const dir = join(told.home, 'journal');
  const { store } = openStore({ dir, settings: journalSettings, program: '0.1.0', wallMs });
  expect(store.epoch).toBe(epoch);
  const db = openForReading(journalPath(dir, 1), journalSettings);
  expect(replay(db, dir, store.epoch as never).state.nextTask).toBe(nextTask);
  db.close();
  store.close();
  for (const name of readdirSync(join(home, 'keys'))) {
    expect(readFileSync(join(told.home, 'keys', name))).toEqual(readFileSync(join(home, 'keys', name)));
    expect(statSync(join(told.home, 'keys', name)).mode & 0o777).toBe(0o600);
  }
  expect(statSync(told.home).mode & 0o777).toBe(0o700);
});

it('restored twice, later has later epochs and tasks', () => {
  const first = restored(whole);
  const second = restore({ file: whole, home: join(place, 'again'), keys: '', wallMs: wallMs + 3_600_000 });
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect(second.nextTask).toBeGreaterThan(first.nextTask + 1_000_000);
});

it('one without keys needs those of its grid', async () => {
  const file = join(place, 'keyless.tar');
  const { files } = await writeBackup({ home, file, withKeys: false, wallMs });
  expect(files.map(({ name }) => name).filter((name) => name.startsWith('keys/'))).toEqual([
    'keys/authorized.json',
  ]);
  const { signing } = JSON.parse(readFileSync(join(home, 'keys', 'grid.json'), 'utf8'));
  expect(readFileSync(file).includes(signing.secret)).toBe(false);
  expect(refusalOf(() => restored(file))).toContain('was made without keys');
  const stranger = join(place, 'stranger');
  const { key } = loadIdentity(stranger, 'grid');
  expect(refusalOf(() => restored(file, join(stranger, 'keys')))).toContain(
    `the keys are of ${gridIdOf(key)}`,
  );
  expect(refusalOf(() => restored(whole, join(home, 'keys')))).toContain('has its keys');
  expect(existsSync(join(place, 'new'))).toBe(false);
  expect(checkStoppedHome(restored(file, join(home, 'keys')).home).findings).toEqual([]);
});

it('a damaged or cut file is refused with the place, and leaves nothing', () => {
  const bytes = readFileSync(whole);
  const bad = join(place, 'bad.tar');
  const flipped = Buffer.from(bytes);
  const inDatabase = bytes.length - 20_000;
  flipped.writeUInt8(flipped.readUInt8(inDatabase) ^ 4, inDatabase);
  writeFileSync(bad, flipped);
  expect(refusalOf(() => restored(bad))).toMatch(
    /journal\/[a-z0-9.-]+ \(bytes [0-9]+ to [0-9]+\) is damaged/,
  );
  writeFileSync(bad, bytes.subarray(0, inDatabase));
  expect(refusalOf(() => restored(bad))).toContain(`it is cut: it ends at byte ${inDatabase}`);
  writeFileSync(bad, 'holiday photos'.repeat(100));
  expect(refusalOf(() => restored(bad))).toContain('it is no gryphgen backup');
  expect(readdirSync(place)).toEqual(['bad.tar']);
});

it('an empty file is there again, empty', async () => {
  const small = join(place, 'with');
  cpSync(home, small, { recursive: true });
  writeFileSync(join(small, 'policy.yaml'), '');
  const file = join(place, 'with.tar');
  await writeBackup({ home: small, file, withKeys: true, wallMs });
  expect(statSync(join(restored(file).home, 'policy.yaml')).size).toBe(0);
});

it('lacks what the broker forgets of its audit log meanwhile', async () => {
  const copy = join(place, 'with');
  cpSync(home, copy, { recursive: true });
  const audit = join(copy, 'audit');
  mkdirSync(audit);
  // Is listed, and is not there.
  symlinkSync('forgotten', auditPath(audit, 1));
  writeFileSync(auditPath(audit, 9), 'a record\nhalf a rec');
  const file = join(place, 'with.tar');
  await writeBackup({ home: copy, file, withKeys: true, wallMs });
  const there = join(restored(file).home, 'audit');
  expect(auditFilesIn(there)).toEqual([9]);
  expect(readFileSync(auditPath(there, 9), 'utf8')).toBe('a record\n');
});

it('a file whose manifest tells nothing sensible of the backup is refused, with the field', () => {
  const file = join(place, 'odd.tar');
  const about = { grid: 'g', madeAt: wallMs, withKeys: 'yes', epoch: 1, head: null };
  writeArchive(file, { kind: backupKind, program: '0.1.0', about, sources: [] });
  const words = refusalOf(() => restored(file));
  expect(words).toContain('makes no sense');
  expect(words).toContain('withKeys');
  expect(words).toContain('head');
  expect(readdirSync(place)).toEqual(['odd.tar']);
});

it('only an empty home is restored into, and only a new file backed up into', async () => {
  mkdirSync(join(place, 'new'));
  writeFileSync(join(place, 'new', 'thesis.tex'), 'my only copy');
  expect(refusalOf(() => restored(whole))).toContain('is not empty');
  expect(readdirSync(place)).toEqual(['new']);
  rmSync(join(place, 'new', 'thesis.tex'));
  restored(whole);
  const file = join(place, 'new', 'config.json');
  await expect(writeBackup({ home, file, withKeys: true, wallMs })).rejects.toThrow('is there already');
  await expect(writeBackup({ home: place, file: join(place, 'x'), withKeys: true, wallMs })).rejects.toThrow(
    'is not the home of a broker',
  );
});

it.skipIf(process.getuid?.() !== 0)('a full disk leaves nothing of a backup', async () => {
  const disk = join(place, 'disk');
  mkdirSync(disk);
  const bytes = statSync(whole).size;
  // Room for the copy, and for a part of the file; and not even for the copy.
  for (const size of [bytes + 64 * 1024, 96 * 1024]) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
    try {
      const made = writeBackup({ home, file: join(disk, 'x.tar'), withKeys: true, wallMs });
      await expect(made).rejects.toThrow('there is no room for');
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  }
});

it('no backup is made of a journal that is damaged', async () => {
  const sick = join(place, 'sick');
  cpSync(home, sick, { recursive: true });
  const db = new DatabaseSync(join(sick, 'journal', 'journal-1.db'));
  db.prepare('UPDATE groups SET records = ? WHERE seq = 45').run(Buffer.from('other'));
  db.close();
  const file = join(place, 'sick.tar');
  await expect(writeBackup({ home: sick, file, withKeys: true, wallMs })).rejects.toThrow(
    'Commit 45 has damaged content',
  );
  expect(readdirSync(place)).toEqual(['sick']);
});
