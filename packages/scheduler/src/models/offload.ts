/**
 * Which of a model's layers lie where, as llama.cpp divides them: the last layers go to devices, the first stay on the host;
 * what turns embeddings into tokens is one more, after the last.
 */

/** The host, as an owner of layers; devices are 0 and up. */
export const HOST = -1;

export interface Offload {
  readonly devices: number;
  /** Of each layer, in order: HOST or a device. */
  readonly layers: readonly number[];
  readonly output: number;
}

/**
 * `-ngl count`, with so many layers (the output included) on devices, in the proportions of `shares` (`-ts`), one for each
 * device. A count past the model's layers is all of them.
 */
export function offloadLast(layers: number, count: number, shares: readonly number[]): Offload {
  const all = layers + 1;
  const offloaded = shares.length === 0 ? 0 : Math.min(count, all);
  const total = shares.reduce((sum, share) => sum + share, 0);
  let sum = 0;
  const bounds = shares.map((share) => {
    sum += share;
    return sum / total;
  });
  const owner = (index: number): number => {
    const place = index - (all - offloaded);
    if (place < 0) return HOST;
    const device = bounds.findIndex((bound) => bound > place / offloaded);
    return device < 0 ? shares.length - 1 : device;
  };
  return {
    devices: shares.length,
    layers: Array.from({ length: layers }, (_, layer) => owner(layer)),
    output: owner(layers),
  };
}
