import fc from 'fast-check';
import { expect, it } from 'vitest';
import { reserve } from '../ledger.ts';
import { place } from '../place.ts';
import { GiB, gtx1060, rtx3060, shape, worker } from '../reference-grid.fixture.ts';
import { charged, fitsSomewhere } from './charge.ts';

const need = (bytes: number, seen = 3) => ({ p50Bytes: bytes / 2, p90Bytes: bytes, seen });
const nothing = { memory: undefined, vram: undefined };
const part = (vramBytes: number) => shape({ kind: 'part', vramBytes }, { memoryBytes: GiB });

it('a task is charged what its class was seen to need, if that is more', () => {
  const task = part(2 * GiB);
  const { resources } = charged(task, { memory: need(3 * GiB), vram: need(5 * GiB) });
  expect(resources).toEqual({
    ...task.resources,
    memoryBytes: 3 * GiB,
    gpu: { kind: 'part', vramBytes: 5 * GiB },
  });
});

it('is the very task where its class needs no more, is not known, or was hardly seen', () => {
  const task = part(2 * GiB);
  expect(charged(task, nothing)).toBe(task);
  expect(charged(task, { memory: need(GiB), vram: need(GiB) })).toBe(task);
  expect(charged(task, { memory: need(9 * GiB, 2), vram: undefined })).toBe(task);
  const whole = shape({ kind: 'whole', count: 1 });
  expect(charged(whole, { memory: undefined, vram: need(5 * GiB) })).toBe(whole);
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
      const { memoryBytes, gpu } = charged(task, { memory, vram }).resources;
      expect(memoryBytes).toBeGreaterThanOrEqual(asked);
      expect(Number.isSafeInteger(memoryBytes)).toBe(true);
      expect(gpu?.kind === 'part' && gpu.vramBytes).toBeGreaterThanOrEqual(asked + 1);
    }),
  );
});

it('fits somewhere only where a worker that takes tasks could take it when empty', () => {
  const small = worker('w-1', { devices: [gtx1060('gpu-b')] });
  const large = worker('w-2', { devices: [rtx3060('gpu-a')] });
  const task = part(8 * GiB);
  expect(fitsSomewhere(task, [small])).toBe(false);
  expect(fitsSomewhere(task, [small, large])).toBe(true);
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
