/** Which settings of a model's instances are worth a measure on a machine. */
import { limits, type Serving, usualMicroBatchTokens, type WorkerReport } from '@gryphgen/protocol';
import type { RoundShape } from './round-shape.ts';
import type { Dimension } from './search-settings.ts';

/** llama-server's own, where nothing is said. */
const usualBatch = 2048;
const microBatches = [256, 512, 1024, 2048] as const;
/** Beside a device the host has little to do: more threads than these only wait for it. */
const threadsBesideDevice = [1, 2, 4] as const;
/** Of quantised values llama.cpp reads with flash attention alone. */
const plainTypes: ReadonlySet<string> = new Set(['f32', 'f16', 'bf16']);

export interface Choosing {
  readonly report: Pick<WorkerReport, 'cpuMilli' | 'hardware' | 'engines'>;
  /** Else on the host. */
  readonly isOnDevice: boolean;
  /** What is asked at a time: with more slots than that nothing is sooner. */
  readonly shape: RoundShape;
  /** Types of the cache that may be tried; they change what a model writes, so none is unless somebody says so. */
  readonly kvTypes: readonly Serving['kvType'][];
}

/** In the order of what they matter, mostly. */
export function dimensionsFor(choosing: Choosing): readonly Dimension[] {
  const { report, shape, kvTypes } = choosing;
  const threads = threadsOn(choosing);
  const hasFlash = report.engines?.some(({ options }) => options?.includes('flash-attn')) ?? false;
  return [
    { name: 'threads', choices: (serving) => threads.map((count) => ({ ...serving, threads: count })) },
    { name: 'flash attention', choices: (serving) => (hasFlash ? flashChoices(serving) : []) },
    {
      name: 'batch',
      choices: (serving) =>
        shape.use === 'infer'
          ? batchChoices(serving)
          : readBatchChoices(serving, shape.promptTokens, atATime(shape)),
    },
    { name: 'slots', choices: (serving) => slotChoices(serving, atATime(shape)) },
    { name: 'cache', choices: (serving) => cacheChoices(serving, kvTypes) },
  ];
}

function threadsOn({ report, isOnDevice }: Choosing): readonly number[] {
  const all = Math.min(limits.instanceThreads, Math.max(1, Math.floor(report.cpuMilli / 1000)));
  if (isOnDevice) return threadsBesideDevice.filter((count) => count > 1 && count <= all);
  const cores = report.hardware?.cpu.cores ?? 0;
  const usual = Math.max(1, Math.floor(all / 2));
  const counts = [cores, all, Math.ceil((3 * all) / 4)].filter((count) => count >= 1 && count <= all);
  return [...new Set(counts)].filter((count) => count !== usual);
}

function flashChoices(serving: Serving): readonly Serving[] {
  const on = { ...serving, flashAttention: true };
  return plainTypes.has(serving.kvType) ? [on, { ...serving, flashAttention: false }] : [on];
}

/** A prompt is no longer than a slot: more at a time is none. */
function batchChoices(serving: Serving): readonly Serving[] {
  const most = Math.max(serving.slotTokens, microBatches[0]);
  return microBatches
    .filter((tokens) => tokens <= most && tokens !== (serving.microBatchTokens ?? usualMicroBatchTokens))
    .map((tokens) => ({ ...serving, batchTokens: Math.max(usualBatch, tokens), microBatchTokens: tokens }));
}

/** A text is one batch, so none is smaller than a slot; in a larger one are as many texts as there are at a time. */
function readBatchChoices(given: Serving, textTokens: number, texts: number): readonly Serving[] {
  const { batchTokens, microBatchTokens = usualMicroBatchTokens, ...serving } = given;
  const usual = Math.max(serving.slotTokens, usualMicroBatchTokens);
  const most = Math.min(texts, serving.slots) * textTokens;
  return [usual, 2 * usual, 4 * usual]
    .filter((tokens) => tokens <= limits.batchTokens && (tokens === usual || tokens < 2 * most))
    .filter((tokens) => tokens !== Math.max(usual, microBatchTokens))
    .map((tokens) =>
      tokens === usual ? serving : { ...serving, batchTokens: tokens, microBatchTokens: tokens },
    );
}

/** Texts of one request are in slots of their own. */
function atATime(shape: RoundShape): number {
  return shape.use === 'infer' ? shape.load : shape.load * shape.texts;
}

function slotChoices(serving: Serving, load: number): readonly Serving[] {
  const { slots } = serving;
  return [Math.ceil(slots / 2), slots * 2]
    .filter((count) => count !== slots && count <= Math.min(load, limits.instanceSlots))
    .map((count) => ({ ...serving, slots: count }));
}

function cacheChoices(serving: Serving, kvTypes: Choosing['kvTypes']): readonly Serving[] {
  return kvTypes
    .filter((kvType) => kvType !== serving.kvType)
    .filter((kvType) => plainTypes.has(kvType) || serving.flashAttention !== false)
    .map((kvType) => ({ ...serving, kvType }));
}
