import { type Device, hostSeat, type ModelDescription } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { bandwidthOf } from './device-bandwidth.ts';
import type { ModelPlan } from './plan-model.ts';
import { bytesPerToken, estimatedTokensPerS } from './token-speed.ts';

const GB = 1e9;
const layer = { keeps: 'all', heads: 2, kvHeads: 1, feedForward: 64, forward: 'gated', bytes: GB } as const;
const model: ModelDescription = {
  ...{ architecture: 'llama', name: 'm', quantization: 'Q4_K_M', parameters: 8e9, contextTokens: 4096 },
  ...{ vocabulary: 300, embedding: 32, keyLength: 16, valueLength: 16, window: 0, stateValues: 0 },
  layers: [layer, layer, layer],
  ...{
    inputBytes: GB,
    outputBytes: GB,
    tiedBytes: 0,
    isGenerative: true,
    hasChatTemplate: true,
    fileBytes: 5 * GB,
  },
};
const card = (name: string): Device =>
  ({
    uuid: name,
    index: 0,
    name,
    vramBytes: 12 * GB,
    computeCapability: 86,
    driver: '1',
    foreignBytes: 0,
  }) as Device;
const plan = (over: Partial<ModelPlan>): ModelPlan => ({
  ...{
    kind: 'whole',
    devices: [{ device: card('NVIDIA GeForce RTX 3060'), layers: 4 }],
    hostLayers: 0,
    reasons: [],
  },
  ...over,
});
const host = { calibration: { at: 0, memoryBytesPerS: 10 * GB } };

describe('tokens a second', () => {
  it('are as many as a card reads the weights in one', () => {
    expect(estimatedTokensPerS(model, plan({}), {})).toBeCloseTo((0.6 * 360) / 4);
  });

  it('are fewer with what lies on the host', () => {
    const partly = plan({
      kind: 'partly',
      devices: [{ device: card('RTX 3060'), layers: 2 }],
      hostLayers: 2,
    });
    expect(estimatedTokensPerS(model, partly, host)).toBeCloseTo(1 / (2 / (0.6 * 360) + 2 / 10));
    expect(estimatedTokensPerS(model, plan({ kind: 'host', devices: [], hostLayers: 4 }), host)).toBeCloseTo(
      10 / 4,
    );
  });

  it('follow what was measured there with another model, where it was', () => {
    const measured = { engine: 'b1', modelBytes: GB, promptTokensPerS: 100 };
    const calibration = {
      ...host.calibration,
      models: [
        { ...measured, seat: hostSeat, weightsBytesPerS: 20 * GB },
        { ...measured, seat: 'RTX 3060', weightsBytesPerS: 300 * GB },
      ],
    };
    const onHost = plan({ kind: 'host', devices: [], hostLayers: 4 });
    expect(estimatedTokensPerS(model, onHost, { calibration })).toBeCloseTo(20 / 4);
    const whole = plan({ devices: [{ device: card('RTX 3060'), layers: 4 }] });
    expect(estimatedTokensPerS(model, whole, { calibration })).toBeCloseTo(300 / 4);
    expect(estimatedTokensPerS(model, plan({}), { calibration })).toBeCloseTo((0.6 * 360) / 4);
    expect(bytesPerToken(model)).toBe(4 * GB);
  });

  it('are more where few of many experts are used', () => {
    const experts = { count: 10, used: 1, feedForward: 64, shared: 0 };
    const sparse = {
      ...model,
      experts,
      layers: model.layers.map((each) => ({ ...each, forward: 'experts' as const })),
    };
    expect(estimatedTokensPerS(sparse, plan({}), {})).toBeCloseTo((0.6 * 360) / (1 + 3 * 0.19));
  });

  it('are not said of what is not known, does not fit or writes nothing', () => {
    expect(
      estimatedTokensPerS(model, plan({ devices: [{ device: card('A card'), layers: 4 }] }), host),
    ).toBeUndefined();
    expect(
      estimatedTokensPerS(model, plan({ kind: 'host', devices: [], hostLayers: 4 }), {}),
    ).toBeUndefined();
    expect(estimatedTokensPerS(model, plan({ kind: 'no', devices: [] }), host)).toBeUndefined();
    for (const memoryBytesPerS of [0, 1e-300])
      expect(
        estimatedTokensPerS(model, plan({ kind: 'host', devices: [], hostLayers: 4 }), {
          calibration: { at: 0, memoryBytesPerS },
        }),
      ).toBeUndefined();
    expect(estimatedTokensPerS({ ...model, isGenerative: false }, plan({}), host)).toBeUndefined();
  });
});

it.each([
  ['NVIDIA GeForce RTX 3080 Ti', 912],
  ['NVIDIA GeForce GTX 1060 6GB', 192],
  ['NVIDIA H100 PCIe', 2039],
  ['NVIDIA H100 80GB HBM3', 3350],
  ['Something else', undefined],
])('%s reads %s GB a second', (name, gigabytes) => {
  expect(bandwidthOf({ name })).toBe(gigabytes === undefined ? undefined : gigabytes * GB);
});
