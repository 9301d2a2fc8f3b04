import { usualCorrections } from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { reserve } from '../ledger.ts';
import { place } from '../place.ts';
import { GiB, gtx1060, rtx3060, shape, worker } from '../reference-grid.fixture.ts';
import { boundedByAsked, charged, fitsSomewhere } from './charge.ts';

const need = (bytes: number, seen = 3, lackBytes = 0) => ({
  p50Bytes: bytes / 2,
  p90Bytes: bytes,
  lackBytes,
  seen,
});
const nothing = { memory: undefined, vram: undefined };
const part = (vramBytes: number) => shape({ kind: 'part', vramBytes }, { memoryBytes: GiB });

it('a task is charged what its class was seen to need, if that is more', () => {
  const task = part(2 * GiB);
  const { resources } = charged(task, { memory: need(3 * GiB), vram: need(5 * GiB) }, usualCorrections);
  expect(resources).toEqual({
    ...task.resources,
    memoryBytes: 3 * GiB,
    gpu: { kind: 'part', vramBytes: 5 * GiB },
  });
});

it('is the very task where its class needs no more, is not known, or was hardly seen', () => {
  const task = part(2 * GiB);
  expect(charged(task, nothing, usualCorrections)).toBe(task);
  expect(charged(task, { memory: need(GiB), vram: need(GiB) }, usualCorrections)).toBe(task);
  expect(charged(task, { memory: need(9 * GiB, 2), vram: undefined }, usualCorrections)).toBe(task);
  const sooner = { ...usualCorrections, leastSeen: 2, chargeReach: 0.5 };
  const { memoryBytes } = charged(task, { memory: need(8 * GiB, 2), vram: undefined }, sooner).resources;
  expect(memoryBytes).toBe(6 * GiB);
  const whole = shape({ kind: 'whole', count: 1 });
  expect(charged(whole, { memory: undefined, vram: need(5 * GiB) }, usualCorrections)).toBe(whole);
});

it('never charges less than is asked, whatever was learned', () => {
  const bytes = fc.double({ min: 0, max: 2 ** 50, noNaN: true });
  const maybe = fc.option(
    bytes.map((amount) => need(amount)),
    { nil: undefined },
  );
  fc.assert(
    fc.property(maybe, maybe, fc.maxSafeNat(), (memory, vram, asked) => {
      const task = shape({ kind: 'part', vramBytes: asked + 1 }, { memoryBytes: asked });
      const { memoryBytes, gpu } = charged(task, { memory, vram }, usualCorrections).resources;
      expect(memoryBytes).toBeGreaterThanOrEqual(asked);
      expect(Number.isSafeInteger(memoryBytes)).toBe(true);
      expect(gpu?.kind === 'part' && gpu.vramBytes).toBeGreaterThanOrEqual(asked + 1);
    }),
  );
});

it('charges what runs lacked: of a device, and of memory where none was asked for', () => {
  const lacking = { memory: need(0, 0, 3 * GiB), vram: need(GiB, 9, 5 * GiB) };
  const { gpu, memoryBytes } = charged(part(2 * GiB), lacking, usualCorrections).resources;
  expect(gpu).toEqual({ kind: 'part', vramBytes: 5 * GiB });
  expect(memoryBytes).toBe(GiB);
  expect(charged(shape(undefined, { memoryBytes: 0 }), lacking, usualCorrections).resources.memoryBytes).toBe(
    3 * GiB,
  );
});

it('is bounded by what is asked where one worker alone told of it', () => {
  const alone = { ...need(90 * GiB, 3, 99 * GiB), teller: 'w-1' };
  const bounded = boundedByAsked(part(2 * GiB), { memory: alone, vram: alone });
  expect(bounded.memory).toMatchObject({ p90Bytes: 4 * GiB, lackBytes: 4 * GiB });
  expect(bounded.vram).toMatchObject({ p90Bytes: 8 * GiB, lackBytes: 8 * GiB });
  const small = boundedByAsked(shape(undefined, { memoryBytes: 0 }), { memory: alone, vram: undefined });
  expect(small.memory?.p90Bytes).toBe(GiB);
  const many = need(90 * GiB);
  expect(boundedByAsked(part(2 * GiB), { memory: many, vram: undefined }).memory).toBe(many);
});

it('fits somewhere only where a worker that takes tasks could take it when empty', () => {
  const small = worker('w-1', { devices: [gtx1060('gpu-b')] });
  const large = worker('w-2', { devices: [rtx3060('gpu-a')] });
  const task = part(8 * GiB);
  expect(fitsSomewhere(task, [small])).toBe(false);
  expect(fitsSomewhere(task, [small, large])).toBe(true);
  expect(fitsSomewhere(task, [small, large], 'w-2')).toBe(false);
  for (const away of [{ connected: false }, { draining: true }, { report: null }])
    expect(fitsSomewhere(task, [small, { ...large, ...away }])).toBe(false);
  // What is full of tasks now is not what counts; what others hold may stay for ever.
  reserve(large.ledger, { cpuMilli: 0, memoryBytes: 16 * GiB, diskBytes: 0, devices: [] });
  expect(place(task, [large]).kind).toBe('waiting');
  expect(fitsSomewhere(task, [large])).toBe(true);
  const busy = worker('w-3', { devices: [{ ...rtx3060('gpu-c'), foreignBytes: 11 * GiB }] });
  expect(fitsSomewhere(task, [busy])).toBe(false);
  const full = { ...large, report: large.report && { ...large.report, foreignBytes: 16 * GiB } };
  expect(fitsSomewhere(task, [full])).toBe(false);
});
