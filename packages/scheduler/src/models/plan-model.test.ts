import type { Device, ModelDescription, ModelEngine } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { reserve } from '../ledger.ts';
import { forge, GiB, gtx1060, MiB, rtx3060, worker } from '../reference-grid.fixture.ts';
import type { WorkerView } from '../worker-view.ts';
import { layer, model, settings } from './model.fixture.ts';
import { type ModelPlan, planModel } from './plan-model.ts';

const overhead = 300 * MiB;
const plan = (of: ModelDescription, view: WorkerView, changes = {}): ModelPlan =>
  planModel(of, settings(changes), view, overhead);
const sized = (layerMiB: number, count = 32): ModelDescription =>
  model({ layers: Array.from({ length: count }, () => layer({ bytes: layerMiB * MiB })) });
const names = ({ devices }: ModelPlan): string[] =>
  devices.map(({ device, layers }) => `${device.uuid} ${layers}`);

/** Nothing that is planned takes more than there is. */
function expectWithin({ devices, estimate }: ModelPlan, free: (device: Device) => number): void {
  devices.forEach(({ device }, i) => {
    expect(estimate?.devices[i]?.totalBytes).toBeLessThanOrEqual(free(device));
  });
}

describe('on the reference machine', () => {
  it('what the small card holds goes there, and leaves the large one', () => {
    const found = plan(sized(60), forge());
    expect(found.kind).toBe('whole');
    expect(names(found)).toEqual(['gpu-1060 33']);
    expect(found.reasons).toEqual([
      expect.stringMatching(/^fits whole on NVIDIA GeForce GTX 1060 6GB: .* of 6064 MiB free, .* left$/),
    ]);
  });

  it('an 8B model at Q4_K_M goes on the RTX 3060, and the GTX 1060 says what it lacks', () => {
    const found = plan(model(), forge(), { contextTokens: 16_384 });
    expect(names(found)).toEqual(['gpu-3060 33']);
    expect(found.reasons[1]).toMatch(/^NVIDIA GeForce GTX 1060 6GB has 6064 MiB, .* asked: .* short/);
  });

  it('what no engine there computes on a device goes on the host, and says so', () => {
    const view = forge();
    const engines = (...backends: string[]) => {
      if (view.report === null) throw new Error('it has reported');
      return {
        ...view,
        report: { ...view.report, engines: [{ name: 'llama-server', version: '1', backends }] },
      };
    };
    const found = plan(sized(60), engines('cpu'));
    expect(found).toMatchObject({ kind: 'host', devices: [] });
    expect(found.reasons).toContain('forge has no llama-server that computes on its devices');
    expect(plan(sized(60), engines('cpu', 'cuda')).kind).toBe('whole');
  });

  it('a card that is too old for the CUDA of all engines there holds nothing, and one engine divides over what it computes on', () => {
    const view = forge();
    const cuda = (leastCapability: number) => ({
      ...{ name: `cuda ${leastCapability}`, version: '1', backends: ['cpu', 'cuda'] },
      ...{ divides: true, leastCapability },
    });
    const vulkan = { name: 'vulkan', version: '1', backends: ['cpu', 'vulkan'], divides: true };
    const having = (...engines: readonly ModelEngine[]) => ({
      ...view,
      report: view.report && { ...view.report, engines },
    });
    const found = plan(sized(60), having(cuda(75)));
    expect(names(found)).toEqual(['gpu-3060 33']);
    expect(found.reasons).toContain(
      'forge has no llama-server that computes on NVIDIA GeForce GTX 1060 6GB (compute capability 6.1)',
    );
    expect(names(plan(sized(60), having(cuda(75), cuda(50))))).toEqual(['gpu-1060 33']);
    expect(names(plan(sized(60), having(cuda(75), vulkan)))).toEqual(['gpu-1060 33']);
    expect(plan(sized(420), having(cuda(75))).kind).toBe('partly');
    expect(plan(sized(420), having(cuda(75), { ...vulkan, divides: false })).devices).toHaveLength(1);
    expect(plan(sized(420), having(cuda(75), cuda(50))).kind).toBe('divided');
  });

  it('a 14 GiB model is divided by what each card has', () => {
    const found = plan(sized(420), forge());
    expect(found.kind).toBe('divided');
    expect(found.devices.map(({ device }) => device.uuid)).toEqual(['gpu-3060', 'gpu-1060']);
    expect(found.devices.reduce((sum, { layers }) => sum + layers, 0)).toBe(33);
    expect(found.hostLayers).toBe(0);
    expectWithin(found, ({ vramBytes }) => vramBytes);
  });

  it('a 40 GiB model has as many layers on the cards as they take, the rest on the host', () => {
    const found = plan(sized(500, 80), forge());
    expect(found.kind).toBe('partly');
    const onDevices = found.devices.reduce((sum, { layers }) => sum + layers, 0);
    expect(onDevices + found.hostLayers).toBe(81);
    expect(onDevices).toBeGreaterThan(28);
    expectWithin(found, ({ vramBytes }) => vramBytes);
    expect(found.reasons).toEqual([
      `${onDevices} of 81 layers fit on devices, the rest on the host`,
      expect.stringMatching(/RTX 3060 has 12 GiB, .* short$/),
      expect.stringMatching(/GTX 1060 6GB has 6064 MiB, .* short$/),
      '2 devices together do not hold it',
    ]);
  });

  it('a model larger than the machine does not fit, and it says by how much', () => {
    const found = plan(sized(4096, 60), forge());
    expect(found.kind).toBe('no');
    expect(found.estimate).toBeUndefined();
    expect(found.reasons.at(-1)).toMatch(
      /^forge has 128 GiB of memory free, .* needed with all of it on the host: .* short$/,
    );
  });
});

describe('what is free', () => {
  it('is what nobody else holds', () => {
    const view = forge();
    const vramBytes = 8 * GiB;
    const devices = [{ uuid: rtx3060('gpu-3060').uuid, vramBytes, whole: false }];
    reserve(view.ledger, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices });
    const found = plan(model(), view, { contextTokens: 16_384 });
    expect(found.kind).toBe('divided');
    expectWithin(found, (device) => device.vramBytes - (device.uuid === 'gpu-3060' ? vramBytes : 0));
    expect(found.reasons.join()).toContain('1 attempt holding 8 GiB');
  });

  it('is nothing of a card that is wholly held', () => {
    const view = forge();
    const devices = [{ uuid: rtx3060('gpu-3060').uuid, vramBytes: 12 * GiB, whole: true }];
    reserve(view.ledger, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices });
    const found = plan(model(), view, { contextTokens: 16_384 });
    expect(names(found).map((name) => name.split(' ')[0])).toEqual(['gpu-1060']);
    expect(found.kind).toBe('partly');
    expect(found.reasons.join()).toContain('is wholly held by another attempt');
  });

  it('is the host alone where there is no card', () => {
    const found = plan(model(), worker('w-small'));
    expect([found.kind, found.hostLayers]).toEqual(['host', 33]);
  });

  it('is the memory of the host, too', () => {
    const found = plan(model(), forge({ memoryBytes: 100 * MiB }));
    expect(found.kind).toBe('no');
    expect(found.reasons.join()).toContain('with all of it on a device');
  });
});

describe('a worker that takes nothing', () => {
  it('says why', () => {
    expect(plan(model(), { ...forge(), connected: false })).toMatchObject({
      kind: 'no',
      reasons: ['forge is not connected'],
    });
    expect(plan(model(), { ...forge(), draining: true })).toMatchObject({ reasons: ['forge is draining'] });
    expect(plan(model(), { ...forge(), report: null })).toMatchObject({
      reasons: ['forge has not been heard of'],
    });
  });
});

it('three cards of one size share it evenly', () => {
  const view = worker('w-three', { devices: ['a', 'b', 'c'].map((uuid) => gtx1060(uuid)) });
  const found = plan(sized(400), view);
  expect(found.kind).toBe('divided');
  expect(found.devices.length).toBe(3);
  for (const { layers } of found.devices) expect(Math.abs(layers - 11)).toBeLessThanOrEqual(2);
});

it('a machine whose devices are all held is planned for without them', () => {
  const view = forge();
  for (const { uuid, vramBytes } of view.report?.devices ?? [])
    reserve(view.ledger, {
      ...{ cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
      devices: [{ uuid, vramBytes, whole: true }],
    });
  expect(plan(sized(60), view).kind).toBe('host');
});
