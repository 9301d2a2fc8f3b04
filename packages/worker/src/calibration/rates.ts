/**
 * What is measured of a machine, each part within a given time. It blocks: for a process of its own.
 *
 * 1. Of several slices the best counts: whatever else runs here makes a slice slower, never faster.
 * 2. What cannot be measured here is undefined, never 0.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { freemem } from 'node:os';
import { performance } from 'node:perf_hooks';

const MiB = 1024 ** 2;
/** Of some 16 ms: on a busy machine there is one in which nothing else had the thread. */
const slices = 50;
/** Out of every cache that machines have for one thread. */
const copiedBytes = 32 * MiB;
const pieceBytes = 4 * MiB;
const mostWrittenBytes = 128 * MiB;
/** With less free the disk is left alone. */
const leastDiskBytes = 1024 * MiB;

/** Steps per ms of one thread of the reference machine: 70 % of it were seen on a Zen 3 at 3.5 GHz, which has 4.9. */
const referenceSteps = 190_000;

/** 1: as one thread of the reference machine. */
export function threadSpeed(forMs: number): number {
  const table = new Uint32Array(4096);
  const run = () => mix(table);
  run(); // compiled from here on
  return bestRate(forMs, run) / referenceSteps;
}

/** Bytes per second that one thread copies. Undefined where memory is too short for it. */
export function memoryRate(forMs: number): number | undefined {
  if (freemem() < 8 * copiedBytes) return undefined;
  const from = Buffer.alloc(copiedBytes, 1);
  const to = Buffer.alloc(copiedBytes, 2);
  return 1000 * bestRate(forMs, () => from.copy(to));
}

export interface DiskRates {
  readonly writeBytesPerS: number;
  /** Past the cache of the kernel; undefined where its disk does not let itself be read so. */
  readonly readBytesPerS: number | undefined;
}

/** `path`: a file that is not there; it has no name while it is used, so that none is left whatever happens. */
export function diskRates(path: string, folder: string, forMs: number): DiskRates | undefined {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < leastDiskBytes) return undefined;
  const out = openSync(path, 'wx', 0o600);
  try {
    const direct = openDirect(path);
    rmSync(path);
    try {
      const piece = randomFillSync(alignedBytes(pieceBytes));
      const written = timed(forMs, mostWrittenBytes, () => {
        const bytes = writeSync(out, piece);
        fsyncSync(out);
        return bytes;
      });
      const read = direct === undefined ? undefined : readBack(direct, piece, forMs);
      return { writeBytesPerS: written, readBytesPerS: read };
    } finally {
      if (direct !== undefined) closeSync(direct);
    }
  } finally {
    closeSync(out);
  }
}

function readBack(file: number, piece: Uint8Array, forMs: number): number | undefined {
  try {
    const rate = timed(forMs, mostWrittenBytes, () => readSync(file, piece));
    return rate > 0 ? rate : undefined;
  } catch {
    return undefined;
  }
}

function openDirect(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** Node has it, its types do not. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** At the beginning of a page, as a direct read wants it. */
function alignedBytes(bytes: number): Uint8Array {
  return new Uint8Array(new WebAssembly.Memory({ initial: bytes / 65_536 }).buffer);
}

/** Bytes per second, until there are no more, so many, or the time is over. */
function timed(forMs: number, most: number, move: () => number): number {
  const begin = performance.now();
  let moved = 0;
  for (;;) {
    const bytes = move();
    moved += bytes;
    const tookMs = performance.now() - begin;
    if (bytes === 0 || moved >= most || tookMs >= forMs) return (1000 * moved) / Math.max(tookMs, 0.001);
  }
}

/** Of what `run` says it did, per ms. */
function bestRate(forMs: number, run: () => number): number {
  let best = 0;
  for (let slice = 0; slice < slices; slice += 1) {
    const begin = performance.now();
    let [done, tookMs] = [0, 0];
    do {
      done += run();
      tookMs = performance.now() - begin;
    } while (tookMs < forMs / slices);
    best = Math.max(best, done / Math.max(tookMs, 0.001));
  }
  return best;
}

/** Integers, branches that are hard to foretell, a table in the first cache: as programs are, and no library's. */
function mix(table: Uint32Array): number {
  const steps = 65_536;
  const mask = table.length - 1;
  let x = 2_463_534_242;
  for (let step = 0; step < steps; step += 1) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const at = x & mask;
    const found = table[at] as number;
    table[at] = (found & 1) === 0 ? found + x : Math.imul(found, 2_654_435_761) ^ step;
  }
  return steps;
}
