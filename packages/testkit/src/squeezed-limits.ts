/**
 * Limits so large that no short run would meet them, made small for some runs, so that what happens at them happens.
 *
 * 1. What a run changed is put back when it ends: limits are the process's, runs come one after the other.
 */
import { limits } from '@gryphgen/protocol';
import type { SeededRandom } from './seeded-random.ts';

export type SqueezedLimits = Partial<
  Record<
    | 'creditMessages'
    | 'finishedTasks'
    | 'envelopes'
    | 'serviceWellMs'
    | 'agingMs'
    | 'claimAfterMs'
    | 'unpreemptedMs',
    number
  >
>;

export function planLimits(random: SeededRandom): SqueezedLimits {
  return {
    ...(random.chance(0.3) ? { creditMessages: random.pick([4, 16]) } : {}),
    ...(random.chance(0.2) ? { finishedTasks: random.pick([3, 8]) } : {}),
    ...(random.chance(0.2) ? { envelopes: 2 } : {}),
    ...(random.chance(0.7) ? { claimAfterMs: random.pick([200, 2000]) } : {}),
    ...(random.chance(0.7) ? { unpreemptedMs: random.pick([0, 100, 1500]) } : {}),
    ...(random.chance(0.5) ? { agingMs: random.pick([1000, 8000]) } : {}),
    ...(random.chance(0.7) ? { serviceWellMs: random.pick([500, 3000, 10_000]) } : {}),
  };
}

export async function withLimits<T>(squeezed: SqueezedLimits, run: () => Promise<T>): Promise<T> {
  const shared = limits as Record<string, number>;
  const before = { ...shared };
  Object.assign(shared, squeezed);
  try {
    return await run();
  } finally {
    Object.assign(shared, before);
  }
}
