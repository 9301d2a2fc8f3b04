import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BudgetedImage, imagesToRemove } from './image-budget.ts';

const image = (id: string, bytes: number, usedMs: number, mustStay = false): BudgetedImage => ({
  id,
  bytes,
  usedMs,
  mustStay,
});
const ids = (images: readonly BudgetedImage[]) => images.map(({ id }) => id);

describe('a budget', () => {
  const images = [image('new', 10, 9), image('old', 10, 1), image('used', 10, 0, true), image('mid', 10, 5)];

  it('takes the least recently used first, and no more than it must', () => {
    expect(imagesToRemove(images, 40)).toEqual([]);
    expect(ids(imagesToRemove(images, 39))).toEqual(['old']);
    expect(ids(imagesToRemove(images, 20))).toEqual(['old', 'mid']);
  });

  it('leaves what must stay, even beyond it', () => {
    expect(ids(imagesToRemove(images, 0))).toEqual(['old', 'mid', 'new']);
  });

  it('is kept whenever it can be', () => {
    const any = fc.record({ id: fc.uuid(), bytes: fc.nat(100), usedMs: fc.nat(5), mustStay: fc.boolean() });
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: ({ id }) => id }), fc.nat(500), (all, budget) => {
        const going = imagesToRemove(all, budget);
        const sum = (some: readonly BudgetedImage[]) => some.reduce((bytes, one) => bytes + one.bytes, 0);
        const left = sum(all) - sum(going);
        expect(going.some(({ mustStay }) => mustStay)).toBe(false);
        const couldGo = all.filter((one) => !one.mustStay && !going.includes(one));
        expect(left <= budget || couldGo.length === 0).toBe(true);
        const last = going.at(-1);
        if (last !== undefined) expect(left + last.bytes).toBeGreaterThan(budget);
        for (const one of couldGo)
          for (const gone of going) expect(gone.usedMs).toBeLessThanOrEqual(one.usedMs);
      }),
    );
  });
});
