/**
 * Reads SQLite's write-ahead log from the outside, because SQLite ends it at the first frame that does not check and
 * says nothing: right after a power cut, and silent loss when a commit behind that frame had been acknowledged.
 *
 * 1. SQLite begins the log anew by changing its salts; frames with other salts are leftovers and mean nothing.
 * 2. A killed process leaves at most a last commit without its end: `torn`. A frame of this log that does not check is
 *    `wal`: damage, or a power cut or a kill during the last commit, between a frame's header and its page. What was
 *    acknowledged last (acknowledged-file.ts) can tell which; the words say it when nothing can.
 *
 * Format: sqlite.org/fileformat2.html, section 4.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Finding } from './journal.ts';

const HEADER = 32;
const FRAME_HEADER = 24;

export interface WalEnd {
  readonly finding: Finding;
  /** Only the last commit cannot be read. */
  readonly last: boolean;
}

type Sum = readonly [number, number];

/** What is wrong with the log beside `databasePath`; undefined when SQLite will read all that was written. */
export function scanWal(databasePath: string): WalEnd | undefined {
  const path = `${databasePath}-wal`;
  if (!existsSync(path)) return undefined;
  const log = readFileSync(path);
  if (log.byteLength === 0) return undefined;
  if (log.byteLength < HEADER) return { finding: finding('wal', 'ends within its header'), last: false };
  const magic = log.readUInt32BE(0);
  const little = magic === 0x377f0682;
  const header = sum(log, 0, 24, [0, 0], little);
  if (!(little || magic === 0x377f0683) || !isSum(header, log, 24)) {
    return { finding: finding('wal', 'has a damaged header'), last: false };
  }
  return scanFrames(log, FRAME_HEADER + log.readUInt32BE(8), header, little);
}

function scanFrames(log: Buffer, frameBytes: number, header: Sum, little: boolean): WalEnd | undefined {
  let running = header;
  let whole = true;
  let at = HEADER;
  for (; at + frameBytes <= log.byteLength; at += frameBytes) {
    running = sum(
      log,
      at + FRAME_HEADER,
      frameBytes - FRAME_HEADER,
      sum(log, at, 8, running, little),
      little,
    );
    const salts = saltsMatching(log, at);
    if (salts === 0) break;
    if (salts === 1 || !isSum(running, log, at + 16)) return damagedFrame(log, at, frameBytes);
    whole = endsCommit(log, at);
  }
  if (whole && (at === log.byteLength || at + frameBytes <= log.byteLength)) return undefined;
  const after = laterCommits(log, at, frameBytes);
  if (after > 0) return damagedFrame(log, at, frameBytes);
  return { finding: finding('torn', `ends within a commit, at byte ${at}`), last: true };
}

function damagedFrame(log: Buffer, bad: number, frameBytes: number): WalEnd {
  const commits = laterCommits(log, bad, frameBytes);
  const last = commits <= 1;
  const what = last
    ? `has a damaged frame at byte ${bad}, in its last commit: lost, or not acknowledged if power was cut`
    : `has a damaged frame at byte ${bad}; ${commits} commits from there on cannot be read`;
  return { finding: finding('wal', what), last };
}

function laterCommits(log: Buffer, from: number, frameBytes: number): number {
  let commits = 0;
  for (let at = from; at + frameBytes <= log.byteLength; at += frameBytes) {
    if (saltsMatching(log, at) > 0 && endsCommit(log, at)) commits += 1;
  }
  return commits;
}

/** The frame that ends a commit names the database's size. */
function endsCommit(log: Buffer, at: number): boolean {
  return log.readUInt32BE(at + 4) !== 0;
}

/** 2 in a frame of this log, 0 in a leftover; 1 only if a salt was damaged, for both change with each new beginning. */
function saltsMatching(log: Buffer, at: number): 0 | 1 | 2 {
  const first = log.compare(log, 16, 20, at + 8, at + 12) === 0;
  const second = log.compare(log, 20, 24, at + 12, at + 16) === 0;
  if (first && second) return 2;
  return first || second ? 1 : 0;
}

/** SQLite's checksum: two running sums over 32-bit words, in the byte order that the log's magic names. */
function sum(log: Buffer, from: number, bytes: number, start: Sum, little: boolean): Sum {
  let [a, b] = start;
  for (let at = from; at + 8 <= from + bytes; at += 8) {
    a = (a + (little ? log.readUInt32LE(at) : log.readUInt32BE(at)) + b) >>> 0;
    b = (b + (little ? log.readUInt32LE(at + 4) : log.readUInt32BE(at + 4)) + a) >>> 0;
  }
  return [a, b];
}

function isSum([a, b]: Sum, log: Buffer, at: number): boolean {
  return log.readUInt32BE(at) === a && log.readUInt32BE(at + 4) === b;
}

function finding(kind: 'wal' | 'torn', what: string): Finding {
  return { kind, seq: null, what: `The write-ahead log ${what}.`, expected: null, found: null };
}
