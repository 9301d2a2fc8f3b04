import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlobIndex } from './blob-index.ts';

const hashOf = (n: number): Uint8Array => createHash('sha256').update(`${n}`).digest();

describe('the blob index', () => {
  it('behaves like a map through insertions, changes and deletions', () => {
    const operation = fc.record({
      kind: fc.constantFrom('set' as const, 'delete' as const),
      key: fc.nat(60),
      seq: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const index = new BlobIndex();
        const expected = new Map<number, { id: number; seq: number }>();
        for (const { kind, key, seq } of operations) {
          if (kind === 'set') {
            index.set(collidingHash(key), { id: key + 1, seq });
            expected.set(key, { id: key + 1, seq });
          } else {
            index.delete(collidingHash(key));
            expected.delete(key);
          }
        }
        expect(index.size).toBe(expected.size);
        for (let key = 0; key <= 60; key += 1)
          expect(index.get(collidingHash(key))).toEqual(expected.get(key));
      }),
    );
  });

  it('grows', () => {
    const index = new BlobIndex();
    for (let n = 1; n <= 20_000; n += 1) index.set(hashOf(n), { id: n, seq: 2 * n });
    for (let n = 1; n <= 20_000; n += 2) index.delete(hashOf(n));
    expect(index.size).toBe(10_000);
    for (let n = 1; n <= 20_000; n += 1) {
      expect(index.get(hashOf(n))).toEqual(n % 2 === 1 ? undefined : { id: n, seq: 2 * n });
    }
  });
});

/** All begin their search in one of a few neighbouring slots, at the end of the table so that they run around it. */
function collidingHash(key: number): Uint8Array {
  const hash = hashOf(key);
  hash.set([0, 0, 0, 0, 3, 252 + (key % 4)], 6);
  return hash;
}
