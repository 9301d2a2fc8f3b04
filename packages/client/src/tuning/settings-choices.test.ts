import type { Serving, WorkerReport } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { type Choosing, dimensionsFor } from './settings-choices.ts';

const serving: Serving = { slots: 4, slotTokens: 4096, kvType: 'f16' };
const engine = { name: 'llama-server', version: '1', backends: ['cpu'] };
const cpu = { model: 'a', cores: 16, threads: 32, cacheBytes: 1 };
const hardware = { cpu, swapBytes: 0, system: '', disks: [], networks: [], engines: [] };
const report: Pick<WorkerReport, 'cpuMilli' | 'hardware' | 'engines'> = {
  cpuMilli: 32_000,
  hardware,
  engines: [engine],
};

function values<K extends keyof Serving>(key: K, over: Partial<Choosing> = {}, from = serving) {
  const dimensions = dimensionsFor({ report, isOnDevice: false, load: 8, kvTypes: [], ...over });
  return dimensions
    .flatMap(({ choices }) => choices(from))
    .map((choice) => choice[key])
    .filter((value) => value !== from[key]);
}

it('threads: its cores and all it has, without what it has anyway; beside a device a few', () => {
  expect(values('threads')).toEqual([16, 32, 24].filter((count) => count !== 16));
  expect(values('threads', { report: { cpuMilli: 2000 } })).toEqual([2]);
  expect(values('threads', { report: { cpuMilli: 1000 } })).toEqual([]);
  expect(values('threads', { isOnDevice: true })).toEqual([2, 4]);
});

it('flash attention: where the engine can be told, and not off where the cache is quantised', () => {
  const told = { ...report, engines: [{ ...engine, options: ['flash-attn'] }] };
  expect(values('flashAttention')).toEqual([]);
  expect(values('flashAttention', { report: told })).toEqual([true, false]);
  expect(values('flashAttention', { report: told }, { ...serving, kvType: 'q8_0' })).toEqual([true]);
});

it('batches: as large as a slot at most', () => {
  expect(values('microBatchTokens')).toEqual([256, 1024, 2048]);
  expect(values('microBatchTokens', {}, { ...serving, slotTokens: 300 })).toEqual([256]);
});

it('slots: half and twice as many, and no more than there are requests at a time', () => {
  expect(values('slots')).toEqual([2, 8]);
  expect(values('slots', { load: 4 })).toEqual([2]);
  expect(values('slots', { load: 1 }, { ...serving, slots: 1 })).toEqual([]);
});

it('the type of the cache: as it is, unless others are named', () => {
  expect(values('kvType')).toEqual([]);
  expect(values('kvType', { kvTypes: ['f16', 'q8_0'] })).toEqual(['q8_0']);
  expect(values('kvType', { kvTypes: ['q8_0'] }, { ...serving, flashAttention: false })).toEqual([]);
});
