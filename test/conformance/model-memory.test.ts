/** Estimates of models' memory against llama.cpp's own, for real programs, with one and two devices: rule in `isNear`. */
import { beforeAll, describe, expect, it } from 'vitest';
import { models, settings } from './model-cases.ts';
import { type Compared, compareAll, isNear } from './model-comparison.ts';

const found: Compared[] = [];

beforeAll(async () => {
  await compareAll((of) => void found.push(...of));
}, 300_000);

describe('memory of models, as planned and as llama.cpp has it', () => {
  for (const model of Object.keys(models)) {
    it(model, () => {
      const of = found.filter((each) => each.model === model);
      expect(of.filter((each) => !isNear(each))).toEqual([]);
      expect(new Set(of.map(({ setting }) => setting))).toEqual(new Set(Object.keys(settings)));
    });
  }

  it('is told of the host each time, and of each device', () => {
    for (const [name, { shares }] of Object.entries(settings)) {
      const devices = [...shares.map((_, device) => `RPC${device}`), 'Host'];
      const told = found.filter(({ setting, what }) => setting === name && what === 'weights');
      expect(told.length).toBe(devices.length * Object.keys(models).length);
      expect(new Set(told.map(({ device }) => device))).toEqual(new Set(devices));
    }
  });

  it('weights and caches to the MiB', () => {
    const exact = found.filter(({ what }) => what !== 'compute');
    expect(exact.filter(({ actual, estimated }) => Math.abs(actual - estimated) > 1)).toEqual([]);
  });
});
