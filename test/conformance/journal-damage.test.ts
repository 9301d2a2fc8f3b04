/**
 * Every byte of a small journal, one at a time: a bit of it flipped, and the file cut off there. What opens must be a
 * correct prefix, and what it lacks must be told.
 *
 * Two journals: one that was closed, all of it in the database; and one that a killed broker leaves, a database that
 * was written back halfway and a log with the rest.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { JournalError, journalSettings, type OpenedStore, openStore } from '@gryphgen/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const groups = 4;
const checkpointed = 2;
const database = 'journal-1.db';
const log = 'journal-1.db-wal';
const acknowledged = 'acknowledged';
/** In memory where there is such a folder: this opens and syncs tens of thousands of journals. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const settings = { ...journalSettings, pageBytes: 512, checkpointPages: 1 };
const records = (n: number) => Buffer.from(`group ${n} ${'.'.repeat(40 * n)}`);
const blob = (n: number) => {
  const bytes = Buffer.from(`blob ${n} `.repeat(n * 10));
  return { hash: createHash('sha256').update(bytes).digest(), bytes };
};

/** Closed connections keep their descriptors until their statements are collected (database.ts), so collect them. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const collectEvery = 100;

type FileName = typeof database | typeof log | typeof acknowledged;

interface Whole {
  readonly files: Readonly<Partial<Record<FileName, Buffer>>>;
  readonly head: { readonly seq: number; readonly digest: string };
}

/** After a power cut, a log that was cut at the end of a commit is whole: only a worker that saw more can tell. */
type Told = 'findings' | 'findings or witness' | 'nothing';

interface Tally {
  opened: number;
  shorter: number;
  refused: number;
}

let dir: string;
let closed: Whole;
let killed: Whole;
/** The same, the machine not started anew since. */
let justKilled: Whole;

const open = (): OpenedStore => openStore({ dir, settings, program: '0.1.0', wallMs: 0 });

function makeWhole(ending: 'closed' | 'killed' | 'justKilled'): Whole {
  const home = join(dir, ending);
  mkdirSync(home);
  const { store } = openStore({ dir: home, settings, program: '0.1.0', wallMs: 0 });
  for (let n = 1; n <= groups; n += 1) {
    store.append(records(n), n % 2 === 0 ? [blob(n)] : []);
    if (n === checkpointed) store.checkpoint();
  }
  const head = { seq: store.head.seq, digest: Buffer.from(store.head.digest).toString('hex') };
  if (ending === 'closed') store.close();
  const names = { closed: [database], killed: [database, log], justKilled: [database, log, acknowledged] };
  const files = Object.fromEntries(names[ending].map((name) => [name, readFileSync(join(home, name))]));
  store.close();
  return { files, head };
}

/** Opens the journal with one file changed and checks what opened. */
function check(whole: Whole, name: FileName, changed: Buffer, tally: Tally, told: Told): void {
  rmSync(dir, { recursive: true });
  mkdirSync(dir);
  writeFileSync(join(dir, 'epoch'), '1\n');
  for (const [each, bytes] of Object.entries(whole.files)) {
    writeFileSync(join(dir, each), each === name ? changed : bytes);
  }
  let opened: OpenedStore;
  try {
    opened = open();
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'damaged') throw error;
    tally.refused += 1;
    return;
  }
  try {
    checkOpened(whole, opened, tally, told);
  } finally {
    opened.store.close();
  }
}

function checkOpened(whole: Whole, { store, findings }: OpenedStore, tally: Tally, told: Told): void {
  tally.opened += 1;
  const read = store.read(0, Number.MAX_SAFE_INTEGER);
  const { length } = read;
  if (read.some((row, at) => row.seq !== at + 1 || !Buffer.from(row.records).equals(records(at + 1)))) {
    throw new Error('what opened is not a prefix of what was appended');
  }
  if (length !== store.head.seq || length > groups)
    throw new Error(`${length} groups, head ${store.head.seq}`);
  if (store.epoch < 2) throw new Error(`epoch ${store.epoch} was used before`);
  const witnessed = store.checkWitness(whole.head.seq, whole.head.digest);
  if (witnessed !== (length < groups ? 'cut' : 'known'))
    throw new Error(`${length} groups, but ${witnessed}`);
  if (told === 'nothing') expect(findings).toEqual([]);
  if (length < groups) {
    tally.shorter += 1;
    if (findings.length === 0 && told === 'findings')
      throw new Error(`only ${length} groups, and no finding`);
  }
  for (let n = 2; n <= length; n += 2) {
    const { hash, bytes } = blob(n);
    const found = store.blob(hash);
    if (found === undefined ? findings.length === 0 : !Buffer.from(found).equals(bytes)) {
      throw new Error(`blob ${n} is wrong, and no finding`);
    }
  }
  store.append(Buffer.from('one more'), []);
}

async function eachByte(
  whole: Whole,
  name: FileName,
  change: (whole: Buffer, at: number) => Buffer,
  told: Told,
  from = 0,
  to = whole.files[name]!.byteLength,
): Promise<Tally> {
  const bytes = whole.files[name]!;
  const tally: Tally = { opened: 0, shorter: 0, refused: 0 };
  const wrong: string[] = [];
  for (let at = from; at < to && wrong.length < 20; at += 1) {
    if (at % collectEvery === 0) {
      collect();
      await turn();
    }
    try {
      check(whole, name, change(bytes, at), tally, told);
    } catch (error) {
      wrong.push(`byte ${at}: ${String(error)}`);
    }
  }
  expect(wrong).toEqual([]);
  return tally;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1 << (at % 8);
  return copy;
}

const cut = (bytes: Buffer, at: number): Buffer => bytes.subarray(0, at);

describe('a damaged journal', { timeout: 600_000 }, () => {
  beforeAll(() => {
    dir = mkdtempSync(join(scratch, 'journal-damage-'));
    closed = makeWhole('closed');
    killed = makeWhole('killed');
    justKilled = makeWhole('justKilled');
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('with a bit flipped in any byte of a database that was closed', async () => {
    const tally = await eachByte(closed, database, flipped, 'findings');
    expect(tally.shorter).toBeGreaterThan(100);
  });
  it('with a database that was closed cut off at any byte of its last pages', async () => {
    const from = closed.files[database]!.byteLength - 2 * settings.pageBytes;
    const tally = await eachByte(closed, database, cut, 'findings', from);
    expect(tally.shorter).toBeGreaterThan(100);
  });
  it('with a bit flipped in any byte of the header of a database beside a log, which masks most of the rest', async () => {
    await eachByte(killed, database, flipped, 'findings', 0, 100);
  });
  it('with a bit flipped in any byte of the log', async () => {
    const tally = await eachByte(killed, log, flipped, 'findings');
    expect(tally.refused).toBe(0);
  });
  it('with the log cut off at any byte', async () => {
    const tally = await eachByte(killed, log, cut, 'findings or witness');
    expect(tally).toEqual({ opened: tally.opened, shorter: tally.opened, refused: 0 });
  });
  it('with the log cut off at any byte, and nothing else since the last acknowledgement', async () => {
    const tally = await eachByte(justKilled, log, cut, 'findings');
    expect(tally).toEqual({ opened: tally.opened, shorter: tally.opened, refused: 0 });
  });
  it('with a bit flipped in any byte of what was acknowledged: nothing is missing, nothing is told', async () => {
    const whole = { opened: justKilled.files[acknowledged]!.byteLength, shorter: 0, refused: 0 };
    expect(await eachByte(justKilled, acknowledged, flipped, 'nothing')).toEqual(whole);
  });
});
