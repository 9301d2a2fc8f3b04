import { expect, test } from 'vitest';
import type { PlacementNote } from '../state.ts';
import { PlacementNotes } from './placement-notes.ts';

const note = (workers: number): PlacementNote => ({
  decision: 'placed',
  workers: Array.from({ length: workers }, (_, index) => ({
    worker: `w-${index}`,
    name: 'w',
    feasible: false,
  })),
});

test('explains what comes singly, and of a burst as much as the budget allows', () => {
  const notes = new PlacementNotes();
  const burst = Array.from({ length: 1000 }, () => notes.allows(50, 0)).filter((is) => is).length;
  expect(burst).toBe(75);
  expect(notes.allows(50, 0)).toBe(false);
  expect(Array.from({ length: 100 }, (_, second) => notes.allows(50, 1000 * (second + 1)))).not.toContain(
    false,
  );
});

test('explains on a grid however large, though rarely', () => {
  const notes = new PlacementNotes();
  expect([0, 1, 2, 10_000].map((at) => notes.allows(10_000, at))).toEqual([true, false, false, true]);
});

test('cuts the oldest to their winner when the memory for them is full', () => {
  const notes = new PlacementNotes();
  const kept = Array.from({ length: 3000 }, () => note(50));
  for (const each of kept) notes.keep(each);
  const whole = kept.map(({ workers }) => workers.length === 50);
  // Each counts as four lines more than it has workers.
  expect(whole.filter((is) => is).length).toBe(1851);
  expect(whole.indexOf(true)).toBe(1149);
  expect(kept[0]?.decision).toMatch(/^placed; .* not kept/);
});
