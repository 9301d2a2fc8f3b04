import { createHash } from 'node:crypto';
import { type BlobHash, limits } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { BodyArena } from './body-arena.ts';

const MiB = 1024 * 1024;
const hashOf = (body: Uint8Array) => createHash('sha256').update(body).digest('hex') as BlobHash;
const bodyOf = (index: number, bytes: number) => Buffer.alloc(bytes, `${index} `);

function fill(arena: BodyArena, count: number, bytes: number): Uint8Array[] {
  const bodies = Array.from({ length: count }, (_, index) => bodyOf(index, bytes));
  for (const body of bodies) arena.put(hashOf(body), body);
  return bodies;
}

test('gives back what was put in, empty bodies and those over many slabs too', () => {
  const arena = new BodyArena(64 * MiB);
  const bodies = [Buffer.alloc(0), ...fill(arena, 60, limits.bodyBytes - 3), ...fill(arena, 100, 61)];
  arena.put(hashOf(Buffer.alloc(0)), Buffer.alloc(0));
  for (const body of bodies) expect(Buffer.from(arena.get(hashOf(body)) ?? [1]).equals(body)).toBe(true);
  expect(arena.get('0'.repeat(64) as BlobHash)).toBeUndefined();
});

test('lets the oldest go when the budget is reached, and keeps what it handed out', () => {
  const arena = new BodyArena(16 * MiB);
  const first = bodyOf(-1, 100);
  arena.put(hashOf(first), first);
  const view = arena.get(hashOf(first));
  const bodies = fill(arena, 200, limits.bodyBytes);
  expect(arena.has(hashOf(first))).toBe(false);
  expect(Buffer.from(view ?? []).equals(first)).toBe(true);
  const kept = bodies.map((body) => arena.has(hashOf(body)));
  const count = kept.filter((is) => is).length;
  expect(count).toBeGreaterThanOrEqual(30);
  expect(count).toBeLessThanOrEqual(64);
  expect(kept.indexOf(true)).toBe(kept.length - count);
});

test('counts its index: small bodies do not get around the budget', () => {
  const arena = new BodyArena(12 * MiB);
  const bodies = fill(arena, 200_000, 20);
  expect(bodies.filter((body) => arena.has(hashOf(body))).length).toBeLessThan(100_000);
});
