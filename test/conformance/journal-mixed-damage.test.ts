/**
 * Damage of many kinds to a journal with snapshots, digests, blobs and several levels of pages: flips in several places,
 * zeroed and misplaced blocks, files of another time, cut off, swapped or gone. What opens must be a correct prefix; what
 * it lacks must be told, by findings or by the head that a worker witnessed; and the next opening must find it sound.
 *
 * Each round's damage follows from its number, which a failure names.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { JournalError, journalSettings, type OpenedStore, openJournal, openStore } from '@gryphgen/broker';
import type { BlobHash } from '@gryphgen/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countingFolder, numbered } from './journal-place.ts';

/** Each kind of damage by itself in turn, and two together; the last two of the first found what the others did not. */
const alone = [...Array.from({ length: 120 }, (_, round) => round), 185, 257];
const together = Array.from({ length: 120 }, (_, round) => 120 + round);
/** Folded into snapshots; in the database; in the log beside it. */
const [folded, stored, groups] = [60, 70, 76];
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** Small pages, so that tables have several levels; a log that is begun anew at each call. */
const settings = { ...journalSettings, pageBytes: 512, checkpointPages: 1 };
const database = 'journal-1.db';
const log = 'journal-1.db-wal';

const bodyOf = (n: number) => Buffer.from(`body ${n} `.repeat(1 + (n % 90)));
const hashOf = (n: number) => createHash('sha256').update(bodyOf(n)).digest();
const recordsOf = (n: number) => Buffer.from(numbered(n, hashOf(n).toString('hex')));

/** Closed connections keep their descriptors until their statements are collected. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

type Below = (bound: number) => number;

/** mulberry32 */
function seeded(seed: number): Below {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

let home: string;
let dir: string;
let witnessed: { readonly seq: number; readonly digest: string };
let snapshots: string[];
const inDir = (name: string) => join(dir, name);
/** Files of another time. */
const at = (time: 'folded' | 'early', name: string) => join(home, time, name);

const open = (): OpenedStore => openStore({ dir, settings, program: '0.1.0', wallMs: 0 });

async function makeSound(): Promise<void> {
  const sound = join(home, 'sound');
  const eager = { ...settings, checkpointPages: 64, foldGroups: 5, snapshotGroups: 10, compactRows: 3 };
  // A journal that is closed has folded what it holds: a snapshot for each part.
  for (let from = 0; from < folded; from += 20) {
    const { journal } = await openJournal({
      dir: sound,
      settings: eager,
      folder: countingFolder,
      program: '0.1.0',
      holder: 'the test',
      wallMs: 0,
      onTrouble: (error) => {
        throw error;
      },
    });
    for (let n = from + 1; n <= from + 20; n += 1) {
      const blob = { hash: hashOf(n).toString('hex') as BlobHash, bytes: bodyOf(n) };
      await journal.append({ records: recordsOf(n), blobs: [blob] });
    }
    await journal.close();
  }
  cpSync(sound, join(home, 'folded'), { recursive: true });
  const { store } = openStore({ dir: sound, settings, program: '0.1.0', wallMs: 0 });
  for (let n = folded + 1; n <= groups; n += 1) {
    store.append(recordsOf(n), [{ hash: hashOf(n), bytes: bodyOf(n) }]);
    if (n === folded + 5) cpSync(sound, join(home, 'early'), { recursive: true });
    if (n === stored) store.checkpoint();
  }
  witnessed = { seq: groups, digest: Buffer.from(store.head.digest).toString('hex') };
  // As a killed broker leaves it.
  cpSync(sound, join(home, 'killed'), { recursive: true });
  store.close();
  snapshots = readdirSync(sound).filter((name) => name.startsWith('snapshot-'));
}

const rewrite = (name: string, change: (bytes: Buffer) => Buffer | undefined): void => {
  // Another damage may have left nothing of it.
  const bytes = existsSync(inDir(name)) ? readFileSync(inDir(name)) : Buffer.alloc(0);
  if (bytes.byteLength === 0) return;
  writeFileSync(inDir(name), change(bytes) ?? bytes);
};
const flip = (name: string, below: Below) =>
  rewrite(name, (bytes) => {
    for (let flips = 1 + below(6); flips > 0; flips -= 1) bytes[below(bytes.byteLength)]! ^= 1 << below(8);
    return undefined;
  });
const zero = (name: string, size: number, below: Below) =>
  rewrite(name, (bytes) => {
    const from = size * below(Math.ceil(bytes.byteLength / size));
    bytes.fill(0, from, Math.min(from + size, bytes.byteLength));
    return undefined;
  });
const cut = (name: string, below: Below) =>
  rewrite(name, (bytes) => bytes.subarray(0, below(bytes.byteLength)));
const anyOf = (names: readonly string[], below: Below) => names[below(names.length)] as string;

const damages: Readonly<Record<string, (below: Below) => void>> = {
  'flips in the database': (below) => flip(database, below),
  'flips in the log': (below) => flip(log, below),
  'a page of zeros': (below) => zero(database, settings.pageBytes, below),
  'a block of zeros': (below) => zero(database, 4096, below),
  'a block of zeros in the log': (below) => zero(log, 4096, below),
  'a page in another place': (below) =>
    rewrite(database, (bytes) => {
      const pages = Math.ceil(bytes.byteLength / settings.pageBytes);
      const [from, to] = [below(pages), below(pages)].map((page) => page * settings.pageBytes);
      bytes.copy(bytes, to!, from!, from! + settings.pageBytes);
      return undefined;
    }),
  'the log of an earlier time': () => cpSync(at('early', log), inDir(log)),
  'the database of an earlier time': () => cpSync(at('early', database), inDir(database)),
  'a much older database': () => cpSync(at('folded', database), inDir(database)),
  'the log gone': () => rmSync(inDir(log), { force: true }),
  'the log cut off': (below) => cut(log, below),
  'flips in a snapshot': (below) => flip(anyOf(snapshots, below), below),
  'a snapshot cut off': (below) => cut(anyOf(snapshots, below), below),
  'a snapshot gone': (below) => rmSync(inDir(anyOf(snapshots, below)), { force: true }),
  'a snapshot under the name of another': (below) => {
    const [from, to] = below(2) === 0 ? snapshots : snapshots.toReversed();
    cpSync(join(home, 'killed', from!), inDir(to!));
  },
  'the epoch file gone': () => rmSync(inDir('epoch'), { force: true }),
  'the epoch file damaged': (below) => writeFileSync(inDir('epoch'), below(2) === 0 ? '' : '\0\0'),
  'a copy half made': (below) => {
    cpSync(join(home, 'killed', database), inDir('journal-2.db.new'));
    cut('journal-2.db.new', below);
  },
};

/** Opens and checks; returns how it went. */
function check(): 'whole' | 'shorter' | 'refused' {
  let opened: OpenedStore;
  try {
    opened = open();
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'damaged') throw error;
    return 'refused';
  }
  const { store, snapshot, findings } = opened;
  try {
    const base = snapshot?.seq ?? 0;
    const { seq: head } = store.head;
    const state = snapshot === undefined ? { tasks: [] } : JSON.parse(Buffer.from(snapshot.state).toString());
    expect(state.tasks).toEqual(Array.from({ length: base }, (_, n) => n + 1));
    const rows = store.read(base, Number.MAX_SAFE_INTEGER);
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: head - base }, (_, n) => base + n + 1));
    for (const { seq, records } of rows) expect(Buffer.from(records)).toEqual(recordsOf(seq));
    expect(head).toBeLessThanOrEqual(groups);
    expect(store.epoch).toBeGreaterThan(2);
    const verdict = store.checkWitness(witnessed.seq, witnessed.digest);
    expect(verdict).toBe(head < groups ? 'cut' : 'known');
    for (let n = Math.max(1, base - 9); n <= head; n += 1) {
      const found = store.blob(hashOf(n));
      if (found === undefined) expect(findings, `blob ${n} is missing`).not.toEqual([]);
      else expect(Buffer.from(found)).toEqual(bodyOf(n));
    }
    store.append(Buffer.from('one more'), []);
    return head === groups ? 'whole' : 'shorter';
  } finally {
    store.close();
  }
}

function checkAgain(): void {
  const { store, findings } = open();
  const kinds = findings.map(({ kind }) => kind);
  // A blob that is gone stays gone: it is named again.
  expect(kinds.filter((kind) => kind !== 'missing')).toEqual([]);
  expect(store.read(0, Number.MAX_SAFE_INTEGER).at(-1)?.records).toEqual(
    new Uint8Array(Buffer.from('one more')),
  );
  store.close();
}

describe('a journal damaged in many ways', { timeout: 600_000 }, () => {
  beforeAll(async () => {
    home = mkdtempSync(join(scratch, 'journal-mixed-'));
    dir = join(home, 'damaged');
    await makeSound();
  });
  afterAll(() => rmSync(home, { recursive: true }));

  const fresh = () => {
    rmSync(dir, { recursive: true, force: true });
    cpSync(join(home, 'killed'), dir, { recursive: true });
  };

  it('opens whole while it is sound', () => {
    fresh();
    expect(snapshots).toHaveLength(2);
    expect(check()).toBe('whole');
    checkAgain();
  });

  it(`opens as a correct prefix, and what is missing is told, ${alone.length + together.length} times over`, async () => {
    const kinds = Object.keys(damages);
    const wrong: string[] = [];
    const tally = { whole: 0, shorter: 0, refused: 0 };
    for (const [index, round] of [...alone, ...together].entries()) {
      if (index % 50 === 0) {
        collect();
        await turn();
      }
      fresh();
      const below = seeded(round);
      const chosen = [anyOf(kinds, (bound) => round % bound)];
      if (index >= alone.length) chosen.push(anyOf(kinds, below));
      try {
        for (const kind of new Set(chosen)) damages[kind]!(below);
        const outcome = check();
        tally[outcome] += 1;
        if (outcome !== 'refused') checkAgain();
      } catch (error) {
        wrong.push(`round ${round} (${chosen.join(', ')}): ${String(error)}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(tally.whole).toBeGreaterThan(60);
    expect(tally.shorter).toBeGreaterThan(60);
    expect(tally.refused).toBeLessThan(60);
  });
});
