/** For tests of stores: a place for one, files to bring into it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Clock } from '../clock.ts';
import { scratchFolder } from '../scratch.fixture.ts';
import { DirectMemory } from './direct-writes.ts';
import type { ArtifactIntake } from './intake.ts';
import type { Manifest } from './manifest.ts';
import { Pieces } from './pieces.ts';
import { readPieces } from './read-pieces.ts';
import { type Scanned, scanPath } from './scan-path.ts';
import { ArtifactStore } from './store.ts';

export const mebi = 1024 * 1024;

export class Time implements Clock {
  now = 1e12;
  mono(): number {
    return this.now;
  }
  wall(): number {
    return this.now;
  }
}

export interface Place {
  readonly folder: string;
  readonly time: Time;
  readonly held: Set<string>;
  open(): Promise<ArtifactStore>;
  /** Of a store that writes large files past the page cache. */
  openDirect(): Promise<ArtifactStore>;
}

export function place(budgetBytes = 64 * mebi): Place {
  const folder = join(scratchFolder(), 'store');
  const time = new Time();
  const held = new Set<string>();
  const options = { folder, budgetBytes, clock: time, held: () => held };
  return {
    folder,
    time,
    held,
    open: () => ArtifactStore.open(options),
    openDirect: () => ArtifactStore.open({ ...options, direct: new DirectMemory() }),
  };
}

/** Bytes that repeat nowhere, and differ by `seed`. */
export function noise(bytes: number, seed = 1): Buffer {
  const made = Buffer.alloc(bytes);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    made.writeUInt32LE(state, at);
  }
  return made;
}

export async function scanned(path: string): Promise<Scanned> {
  const found = await scanPath(path);
  if ('code' in found) throw new Error(found.message);
  return found;
}

export async function scannedFile(content: Buffer): Promise<Scanned> {
  const path = join(scratchFolder(), 'file');
  writeFileSync(path, content);
  return await scanned(path);
}

export async function begun(store: ArtifactStore, manifest: Manifest): Promise<ArtifactIntake> {
  const intake = await store.begin(manifest);
  if (intake === null || 'code' in intake) throw new Error(intake?.message ?? 'it is here already');
  return intake;
}

export function wanted({ manifest, sources }: Scanned, intake: ArtifactIntake): AsyncIterable<Uint8Array> {
  const pieces = new Pieces(manifest);
  const numbers = pieces.numbers(intake.runs) ?? [];
  return readPieces(
    numbers.map((number) => pieces.piece(number)),
    (id) => sources.get(id) ?? '',
  );
}

export async function bring(store: ArtifactStore, what: Scanned): Promise<string> {
  const intake = await begun(store, what.manifest);
  for await (const bytes of wanted(what, intake)) expect(await intake.take(bytes)).toBe(null);
  expect(await intake.end()).toBe(null);
  return what.manifest.digest;
}
