/**
 * How many layers go on which devices, so that none takes more than it has: in the proportions of what each has left, and then
 * layer by layer from where it is too much to where there is most room.
 */
import type { ModelDescription } from '@gryphgen/protocol';
import { cacheBytes, type ModelSettings } from './cache-memory.ts';
import { estimateMemory, type MemoryEstimate } from './estimate-memory.ts';
import { offloadLast } from './offload.ts';

export interface Division {
  /** Layers on each device, the output included: `-ngl` is their sum, `-ts` what they are. */
  readonly counts: readonly number[];
  readonly estimate: MemoryEstimate;
}

/** Undefined when `offloaded` layers cannot be divided so; every device gets one at least. */
export function divideModel(
  model: ModelDescription,
  settings: ModelSettings,
  offloaded: number,
  freeBytes: readonly number[],
  overheadBytes: number,
  deviceFactor: number,
): Division | undefined {
  if (freeBytes.length === 0 || offloaded < freeBytes.length) return undefined;
  // There is no proportion to nothing.
  if (freeBytes.some((free) => free <= 0)) return undefined;
  // Of a model that does not fit by far each count would take a division's time to find out, in the broker's loop.
  const layers = layerBytes(model, settings, offloaded);
  const least = layers.reduce((sum, bytes) => sum + bytes, model.outputBytes + model.tiedBytes);
  const needed = deviceFactor * (least + freeBytes.length * overheadBytes);
  if (needed > freeBytes.reduce((sum, free) => sum + free, 0)) return undefined;
  const smallest = deviceFactor * Math.min(...layers);
  const counts = proportional(offloaded, freeBytes);
  for (let moves = 0; moves <= offloaded; moves++) {
    const offload = offloadLast(model.layers.length, offloaded, counts);
    const estimate = estimateMemory(model, settings, offload, overheadBytes, deviceFactor);
    const rooms = estimate.devices.map(({ totalBytes }, device) => (freeBytes[device] ?? 0) - totalBytes);
    const from = rooms.findIndex((room, device) => room < 0 && (counts[device] ?? 0) > 1);
    if (rooms.every((room) => room >= 0)) return { counts, estimate };
    const to = rooms.indexOf(Math.max(...rooms));
    if (from < 0 || (rooms[to] ?? 0) < smallest) return undefined;
    counts[from] = (counts[from] ?? 0) - 1;
    counts[to] = (counts[to] ?? 0) + 1;
  }
  return undefined;
}

/** Weights and cache of each of the last layers, without the output: what computing takes comes on top. */
function layerBytes(model: ModelDescription, settings: ModelSettings, offloaded: number): number[] {
  return model.layers
    .slice(Math.max(0, model.layers.length + 1 - offloaded))
    .map((layer) => layer.bytes + cacheBytes(layer, model, settings));
}

/** Whole numbers that add up to `count`, each at least one. */
function proportional(count: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + Math.max(0, weight), 0);
  const counts = weights.map((weight) => Math.max(1, Math.floor((count * Math.max(0, weight)) / total)));
  let left = count - counts.reduce((sum, each) => sum + each, 0);
  for (let device = 0; left !== 0; device = (device + 1) % counts.length) {
    const change = left > 0 ? 1 : (counts[device] ?? 0) > 1 ? -1 : 0;
    counts[device] = (counts[device] ?? 0) + change;
    left -= change;
  }
  return counts;
}
