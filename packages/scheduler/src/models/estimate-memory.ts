/**
 * What a model takes of the host and of each device, before it is loaded: weights, what is kept of the past, and what a
 * batch takes to compute. Held against llama.cpp's own word in test/conformance/model-memory.test.ts.
 */
import type { MemoryUse, ModelDescription } from '@gryphgen/protocol';
import { cacheBytes, type ModelSettings } from './cache-memory.ts';
import { computeBytes } from './compute-memory.ts';
import { HOST, type Offload } from './offload.ts';

export interface MemoryEstimate {
  readonly host: MemoryUse;
  /** By the number that `offload` gives them. */
  readonly devices: readonly MemoryUse[];
}

/** `overheadBytes` is added for each device that holds anything, and what that takes is `deviceFactor` times as much. */
export function estimateMemory(
  model: ModelDescription,
  settings: ModelSettings,
  offload: Offload,
  overheadBytes: number,
  deviceFactor = 1,
): MemoryEstimate {
  const of = (owner: number): MemoryUse =>
    useOf(owner, model, settings, offload, overheadBytes, deviceFactor);
  return { host: of(HOST), devices: Array.from({ length: offload.devices }, (_, device) => of(device)) };
}

function useOf(
  owner: number,
  model: ModelDescription,
  settings: ModelSettings,
  offload: Offload,
  perDevice: number,
  deviceFactor: number,
): MemoryUse {
  const isHost = owner === HOST;
  const layers = model.layers.filter((_, layer) => offload.layers[layer] === owner);
  const hasOutput = offload.output === owner;
  const weightBytes =
    layers.reduce((sum, { bytes }) => sum + bytes, 0) +
    (isHost ? model.inputBytes : 0) +
    (hasOutput ? model.outputBytes + (isHost ? 0 : model.tiedBytes) : 0);
  const kept = layers.reduce((sum, layer) => sum + cacheBytes(layer, model, settings), 0);
  const compute = computeBytes(model, settings, {
    layers,
    hasOutput,
    isHost,
    isFirst: offload.layers[0] === owner,
    isPipelined: offload.devices > 1 && ![...offload.layers, offload.output].includes(HOST),
  });
  const overheadBytes = isHost || weightBytes === 0 ? 0 : perDevice;
  const estimated = weightBytes + kept + compute + overheadBytes;
  const learnedBytes = isHost ? 0 : Math.ceil(estimated * (deviceFactor - 1));
  return {
    weightBytes,
    cacheBytes: kept,
    computeBytes: compute,
    overheadBytes,
    learnedBytes,
    totalBytes: estimated + learnedBytes,
  };
}
