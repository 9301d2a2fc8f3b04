/** What llama-fit-params cannot be asked; the rest is in test/conformance/model-memory.test.ts. */
import type { MemoryUse } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { estimateMemory } from './estimate-memory.ts';
import { model, settings } from './model.fixture.ts';
import { offloadLast } from './offload.ts';

const MiB = 1024 ** 2;

describe('an estimate', () => {
  it('has the overhead on each device that holds anything, and adds up', () => {
    const { host, devices } = estimateMemory(model(), settings(), offloadLast(32, 5, [1, 0]), 300 * MiB);
    expect([host, ...devices].map(({ overheadBytes }) => overheadBytes)).toEqual([0, 300 * MiB, 0]);
    const sum = (of: MemoryUse): number =>
      of.weightBytes + of.cacheBytes + of.computeBytes + of.overheadBytes;
    for (const use of [host, ...devices]) expect(use.totalBytes).toBe(sum(use));
    expect(devices[1]?.totalBytes).toBe(0);
  });

  it('divides the weights, whatever the offload', () => {
    for (const count of [0, 1, 7, 33]) {
      const { host, devices } = estimateMemory(model(), settings(), offloadLast(32, count, [2, 1]), 0);
      const sum = [host, ...devices].reduce((bytes, { weightBytes }) => bytes + weightBytes, 0);
      expect(sum).toBe((32 * 120 + 280 + 410) * MiB);
    }
  });

  it('holds embeddings twice that are the output of another device', () => {
    const tied = model({ inputBytes: 500 * MiB, outputBytes: 0, tiedBytes: 500 * MiB });
    const weights = (count: number): number[] => {
      const { host, devices } = estimateMemory(tied, settings(), offloadLast(32, count, [1]), 0);
      return [host, ...devices].map(({ weightBytes }) => weightBytes / MiB);
    };
    expect(weights(0)).toEqual([32 * 120 + 500, 0]);
    expect(weights(33)).toEqual([500, 32 * 120 + 500]);
  });
});
