/**
 * What lies in a journal's folder, and the few file operations that must survive a power cut.
 *
 *   journal-N.db (-wal, -shm)  the log; after damage the readable prefix is copied to journal-(N+1).db
 *   acknowledged               the newest commit that was acknowledged since this machine was started
 *   epoch                      the newest epoch, so that a damaged log cannot make one come back
 *   snapshot-SEQ.state         the folded state up to a commit
 *   history.db                 finished tasks; history.rebuilt.db while a damaged one is replaced
 *   journal.lock, journal.holder
 *   damaged-TIME/              what was damaged, as it was found
 *
 * 1. A rename is the moment a new file counts: it is complete and synced before, and the folder is synced after.
 * 2. Only the highest journal-N.db counts. A lower one is damage that a crash kept from being put aside.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export function journalPath(dir: string, generation: number): string {
  return join(dir, `journal-${generation}.db`);
}

/** Ascending. */
export function generationsIn(dir: string): number[] {
  return numbersOf(dir, /^journal-([1-9][0-9]{0,8})\.db$/);
}

export function snapshotPath(dir: string, seq: number): string {
  return join(dir, `snapshot-${String(seq).padStart(16, '0')}.state`);
}

/** Ascending. */
export function snapshotsIn(dir: string): number[] {
  return numbersOf(dir, /^snapshot-([0-9]{16})\.state$/);
}

export function historyPath(dir: string): string {
  return join(dir, 'history.db');
}

function numbersOf(dir: string, pattern: RegExp): number[] {
  return readdirSync(dir)
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Removes what a crash left half written. */
export function removeUnfinished(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (/\.new(?:-journal|-wal|-shm)?$/.test(name)) rmSync(join(dir, name));
  }
}

export function writeDurably(dir: string, path: string, parts: readonly Uint8Array[]): void {
  const unfinished = `${path}.new`;
  const file = openSync(unfinished, 'w', 0o600);
  try {
    for (const part of parts) {
      for (let at = 0; at < part.byteLength; ) at += writeSync(file, part, at);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
  syncFolder(dir);
}

export function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** 0 when there is none or it is unreadable: the log holds the epoch too, this is the second copy. */
export function readEpochFile(dir: string): number {
  const path = join(dir, 'epoch');
  if (!existsSync(path)) return 0;
  const text = readFileSync(path, 'latin1');
  return /^[1-9][0-9]{0,14}\n$/.test(text) ? Number(text) : 0;
}

export function writeEpochFile(dir: string, epoch: number): void {
  writeDurably(dir, join(dir, 'epoch'), [Buffer.from(`${epoch}\n`)]);
}

/** Moves files into this opening's folder of damage, which is made when first needed. */
export function putAside(dir: string, wallMs: number, names: readonly string[]): void {
  const time = new Date(wallMs).toISOString().replace(/[:.]/g, '-');
  const present = names.filter((name) => existsSync(join(dir, name)));
  if (present.length === 0) return;
  const aside = join(dir, `damaged-${time}`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const name of present) renameSync(join(dir, name), join(aside, name));
  syncFolder(aside);
  syncFolder(dir);
}

export function databaseFiles(name: string): string[] {
  return [name, `${name}-wal`, `${name}-shm`, `${name}-journal`];
}
