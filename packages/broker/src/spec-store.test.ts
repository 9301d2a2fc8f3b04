import { type Envelope, encodeEnvelope, envelopeDefaults, limits } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import type { SubmittedSpec } from './core/events.ts';
import { SpecStore } from './spec-store.ts';

const envelope: Envelope = { ...envelopeDefaults, kind: 'noop' };
const bytes = (text: string) => new TextEncoder().encode(text);

function read(store: SpecStore, body: Uint8Array, over: Partial<Envelope> = {}): SubmittedSpec {
  const spec = store.read(encodeEnvelope({ ...envelope, ...over }), body);
  if ('code' in spec) throw new Error(spec.message);
  return spec;
}

test('equal specifications share one envelope and one body', () => {
  const store = new SpecStore();
  const first = read(store, bytes('a'));
  const second = read(store, bytes('a'));
  expect(second.envelope).toBe(first.envelope);
  expect(second.bodyHash).toBe(first.bodyHash);
  expect(read(store, bytes('b')).bodyHash).not.toBe(first.bodyHash);
  expect(read(store, bytes('a'), { priority: 1 }).envelopeHash).not.toBe(first.envelopeHash);
});

test('keeps its own copy of a body, not a view of the frame', () => {
  const store = new SpecStore();
  const frame = bytes('xxbodyxx');
  const { bodyHash } = read(store, frame.subarray(2, 6));
  frame.fill(0);
  expect(Buffer.from(store.body(bodyHash) ?? []).toString()).toBe('body');
});

test('a pinned body stays until its last pin goes', () => {
  const store = new SpecStore();
  const { bodyHash } = read(store, bytes('a'));
  store.pin(bodyHash);
  store.pin(bodyHash);
  expect(store.toJournal(bodyHash)).toEqual({ hash: bodyHash, bytes: Buffer.from('a') });
  store.unpin(bodyHash);
  for (let n = 0; n < 600; n += 1) read(store, new Uint8Array(limits.bodyBytes - 1 - n));
  expect(Buffer.from(store.body(bodyHash) ?? []).toString()).toBe('a');
  store.unpin(bodyHash);
  expect(store.body(bodyHash)).toBeUndefined();
});

test('memory is bounded; pinned bodies stay', () => {
  const store = new SpecStore();
  const body = (n: number) => {
    const made = new Uint8Array(limits.bodyBytes);
    new DataView(made.buffer).setUint32(0, n);
    return made;
  };
  const pinned = read(store, body(0)).bodyHash;
  store.pin(pinned);
  const hashes = [pinned];
  for (let n = 1; n <= 600; n += 1) hashes.push(read(store, body(n)).bodyHash);
  expect(store.body(pinned)).toBeDefined();
  const kept = hashes.filter((hash) => store.body(hash) !== undefined).length;
  expect(kept).toBeLessThanOrEqual(512);
  expect(kept).toBeGreaterThan(400);
});

test('says what is wrong with an envelope', () => {
  const store = new SpecStore();
  const bad = store.read(encodeEnvelope({ ...envelope, priority: 1000 }), bytes(''));
  expect(bad).toMatchObject({ code: 'rejected.invalid', message: expect.stringContaining('priority') });
});

test('beyond its budget for bodies of ephemeral tasks it refuses in words, until one has ended', () => {
  const store = new SpecStore(4096);
  const ephemeral = encodeEnvelope({ ...envelope, durable: false });
  const large = (fill: number) => new Uint8Array(3000).fill(fill);
  const { bodyHash } = read(store, large(1), { durable: false });
  store.pin(bodyHash);
  expect(store.read(ephemeral, large(2))).toMatchObject({
    code: 'rejected.limit',
    message: expect.stringContaining('3512 bytes of bodies'),
  });
  expect(read(store, large(1), { durable: false }).bodyHash).toBe(bodyHash);
  store.pin(bodyHash);
  expect(read(store, large(2)).bodyHash).not.toBe(bodyHash);
  store.unpin(bodyHash);
  expect(store.read(ephemeral, large(2))).toMatchObject({ code: 'rejected.limit' });
  store.unpin(bodyHash);
  expect(store.read(ephemeral, large(2))).toHaveProperty('bodyHash');
});
