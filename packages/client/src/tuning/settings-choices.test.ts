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

const writing = (load: number) => ({ use: 'infer', load, promptTokens: 512, outputTokens: 64 }) as const;
const reading = (load: number, texts: number, promptTokens = 256) =>
  ({ use: 'embed', load, texts, promptTokens }) as const;

function values<K extends keyof Serving>(key: K, over: Partial<Choosing> = {}, from = serving) {
  const dimensions = dimensionsFor({ report, isOnDevice: false, shape: writing(8), kvTypes: [], ...over });
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
  expect(values('slots', { shape: writing(4) })).toEqual([2]);
  expect(values('slots', { shape: writing(1) }, { ...serving, slots: 1 })).toEqual([]);
});

it('of what embeds or ranks: no batch is smaller than a slot, nor larger than the texts there may be at a time', () => {
  const small = { ...serving, slotTokens: 512 };
  expect(values('microBatchTokens', { shape: reading(1, 8) }, small)).toEqual([1024]);
  expect(values('batchTokens', { shape: reading(1, 8) }, small)).toEqual([1024]);
  expect(values('microBatchTokens', { shape: reading(4, 8, 512) }, small)).toEqual([1024, 2048]);
  expect(values('microBatchTokens', { shape: reading(1, 1) }, small)).toEqual([]);
  const larger = { ...small, batchTokens: 1024, microBatchTokens: 1024 };
  expect(values('microBatchTokens', { shape: reading(1, 8) }, larger)).toEqual([undefined]);
  expect(
    values('microBatchTokens', { shape: reading(4, 8, 32_768) }, { ...serving, slotTokens: 32_768 }),
  ).toEqual([65_536]);
});

it('of what embeds or ranks: each text of a request may have a slot', () => {
  expect(values('slots', { shape: reading(1, 8) })).toEqual([2, 8]);
  expect(values('slots', { shape: reading(1, 4) })).toEqual([2]);
});

it('the type of the cache: as it is, unless others are named', () => {
  expect(values('kvType')).toEqual([]);
  expect(values('kvType', { kvTypes: ['f16', 'q8_0'] })).toEqual(['q8_0']);
  expect(values('kvType', { kvTypes: ['q8_0'] }, { ...serving, flashAttention: false })).toEqual([]);
});
