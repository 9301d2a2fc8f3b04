import { expect, it } from 'vitest';
import { moment } from './moment.ts';

/** Whatever the zone of the machine: noon there. */
const now = new Date(2026, 10, 22, 12, 0, 0).getTime();
const { parse } = moment(() => now);
const local = (day: number, hour: number, minute: number) => new Date(2026, 10, day, hour, minute).getTime();

it.each([
  ['2026-11-22T22:00:00Z', { at: Date.UTC(2026, 10, 22, 22) }],
  ['2026-11-22 22:00Z', { at: Date.UTC(2026, 10, 22, 22) }],
  ['2026-11-22t22:00:30.5+01:30', { at: Date.UTC(2026, 10, 22, 20, 30, 30, 500) }],
  ['2028-02-29T00:00:00Z', { at: Date.UTC(2028, 1, 29) }],
  ['22:05', { at: local(22, 22, 5) }],
  ['12:00', { at: local(23, 12, 0) }],
  ['9:30', { at: local(23, 9, 30) }],
  ['2h', { inMs: 7_200_000 }],
  ['0s', { inMs: 0 }],
])('%s is a time', (text, expected) => {
  expect(parse(text)).toEqual(expected);
});

it.each([
  '2026-11-22T22:00:00',
  '2026-02-30T22:00:00Z',
  '2026-13-01T22:00:00Z',
  '2026-11-22T24:00:00Z',
  '2026-11-22T22:60:00Z',
  '2026-11-22T22:00:00+24:00',
  '2026-11-22',
  '24:00',
  '22:60',
  '22:5',
  'tomorrow',
  '-2h',
  '1700000000',
  '',
])('%j is none', (text) => {
  expect(parse(text)).toBeUndefined();
});
