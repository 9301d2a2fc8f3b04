import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atRest, type Gauge, type Level, levelOf, readGauge } from './gauge.ts';

const holds = { beginMs: 10, endMs: 30 };
const levels: readonly Level[] = ['pressed', 'between', 'eased'];
const reading = fc.record({ afterMs: fc.nat(20), level: fc.constantFrom(...levels) });

interface Seen {
  readonly at: number;
  readonly level: Level;
  readonly gauge: Gauge;
}

function run(readings: readonly { readonly afterMs: number; readonly level: Level }[]): readonly Seen[] {
  const seen: Seen[] = [];
  let [gauge, at] = [atRest, 0];
  for (const { afterMs, level } of readings) {
    at += afterMs;
    gauge = readGauge(gauge, level, at, holds);
    seen.push({ at, level, gauge });
  }
  return seen;
}

describe('a gauge', () => {
  it('turns when all readings of the stated time asked for it, and at no other', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 60 }), (readings) => {
        const seen = run(readings);
        let pressed = false;
        let turnedAt = 0;
        for (const [index, { at, gauge }] of seen.entries()) {
          const wanted = pressed ? 'eased' : 'pressed';
          const ms = pressed ? holds.endMs : holds.beginMs;
          let first = index + 1;
          while (first > turnedAt && seen[first - 1]?.level === wanted) first -= 1;
          const due = first <= index && at - (seen[first]?.at ?? 0) >= ms;
          expect(gauge.sinceMono !== null).toBe(due !== pressed);
          if (!due) continue;
          if (!pressed) expect(gauge.sinceMono).toBe(seen[first]?.at);
          pressed = !pressed;
          turnedAt = index + 1;
        }
      }),
    );
  });

  it('does not move between its thresholds, however long it wavers there', () => {
    const wavering = Array.from({ length: 100 }, (_, no): { afterMs: number; level: Level } => ({
      afterMs: 9,
      level: no % 2 === 0 ? 'between' : 'eased',
    }));
    const begun = { sinceMono: 0, turningMono: null };
    let [gauge, at]: [Gauge, number] = [begun, 0];
    for (const { afterMs, level } of wavering) {
      at += afterMs;
      gauge = readGauge(gauge, level, at, holds);
      expect(gauge.sinceMono).toBe(0);
    }
  });
});

it('an amount presses below the least and eases from enough on', () => {
  expect([0, 9, 10, 19, 20].map((has) => levelOf(has, 10, 20))).toEqual([
    'pressed',
    'pressed',
    'between',
    'between',
    'eased',
  ]);
  // 0 never presses.
  expect(levelOf(0, 0, 0)).toBe('eased');
});
