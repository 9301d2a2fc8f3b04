/** What must hold of every plan of a model, whatever the machine, the model and what is held there. */
import type { DeviceUuid, ModelEngine } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freeVram } from '../device-fit.ts';
import { oversubscription, reserve } from '../ledger.ts';
import { place } from '../place.ts';
import { device, GiB, MiB, shape, worker } from '../reference-grid.fixture.ts';
import type { WorkerView } from '../worker-view.ts';
import { layer, model, settings } from './model.fixture.ts';
import { type ModelPlan, planModel } from './plan-model.ts';

const overheadBytes = 512 * MiB;
const engine = (divides: boolean): ModelEngine => ({
  ...{ name: 'llama-server', version: '1', backends: ['cpu', 'cuda'], divides },
});

const anyCard = fc.record({
  gib: fc.integer({ min: 1, max: 10 }),
  foreignMiB: fc.constantFrom(0, 0, 300, 2000),
  heldShare: fc.constantFrom(0, 0, 0, 0.3, 0.9),
  isWhole: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
const anyMachine = fc
  .record({
    cards: fc.constantFrom(0, 1, 2, 2, 3, 5).chain((n) => fc.array(anyCard, { minLength: n, maxLength: n })),
    divides: fc.constantFrom(true, true, false),
    hostGiB: fc.constantFrom(1, 16, 128),
  })
  .map(({ cards, divides, hostGiB }) => (): WorkerView => {
    const devices = cards.map(({ gib, foreignMiB }, at) =>
      device(`gpu-${at}`, { vramBytes: gib * GiB, foreignBytes: foreignMiB * MiB }),
    );
    const view = worker('w', {
      ...{ devices, engines: [engine(divides)], memoryBytes: hostGiB * GiB },
    });
    for (const [at, { gib, heldShare, isWhole }] of cards.entries()) {
      const vramBytes = Math.floor((isWhole ? 1 : heldShare) * gib * GiB);
      if (vramBytes === 0) continue;
      const held = [{ uuid: `gpu-${at}` as DeviceUuid, vramBytes, whole: isWhole }];
      reserve(view.ledger, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: held });
    }
    return view;
  });
const anyModel = fc
  .record({
    count: fc.constantFrom(1, 12, 24, 24, 40),
    mib: fc.integer({ min: 20, max: 1000 }),
    uneven: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ count, mib, uneven }) =>
    model({
      layers: Array.from({ length: count }, (_, at) =>
        layer({ bytes: Math.round((mib * MiB * (uneven[at % uneven.length] ?? 10)) / 10) }),
      ),
    }),
  );
const anyFactor = fc.constantFrom(0.85, 1, 1.3);

function freeOn({ report, ledger }: WorkerView, uuid: DeviceUuid): number {
  const found = report?.devices.find((one) => one.uuid === uuid);
  const held = ledger.devices.get(uuid);
  return found === undefined || held?.whole ? 0 : freeVram(found, held, 'now');
}

/** As an instance is asked for by it. */
const requestOf = ({ devices, estimate }: ModelPlan) =>
  devices.map(({ device: { uuid } }, at) => ({ uuid, vramBytes: estimate?.devices[at]?.totalBytes ?? 0 }));

describe('for every model and every machine', () => {
  it('no device is planned to hold more than is free of it, and placement takes what was planned', () => {
    fc.assert(
      fc.property(anyMachine, anyModel, anyFactor, (machine, of, factor) => {
        const view = machine();
        const plan = planModel(of, settings(), view, overheadBytes, factor);
        if (plan.kind === 'no') return;
        const parts = requestOf(plan);
        for (const { uuid, vramBytes } of parts) expect(vramBytes).toBeLessThanOrEqual(freeOn(view, uuid));
        const onDevices = plan.devices.reduce((sum, { layers }) => sum + layers, 0);
        expect(onDevices + plan.hostLayers).toBe(of.layers.length + 1);
        expect(plan.devices.every(({ layers }) => layers > 0)).toBe(true);
        if (parts.length === 0) return;
        const placed = place(shape({ kind: 'parts', parts }, { cpuMilli: 0 }), [view]);
        if (placed.kind !== 'placed') throw new Error(`it is planned, and ${placed.kind}`);
        expect(placed.reservation.devices).toEqual(parts.map((part) => ({ ...part, whole: false })));
        reserve(view.ledger, placed.reservation);
        expect(oversubscription(view.ledger, view.report as never)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('one device is preferred to several, and several are only where an engine divides', () => {
    fc.assert(
      fc.property(anyMachine, anyModel, (machine, of) => {
        const view = machine();
        const plan = planModel(of, settings(), view, overheadBytes);
        const alone = (view.report?.devices ?? []).map((card) => {
          const report = view.report && { ...view.report, devices: [card] };
          return planModel(of, settings(), { ...view, report }, overheadBytes).kind;
        });
        expect(plan.kind === 'whole').toBe(alone.includes('whole'));
        if (view.report?.engines?.[0]?.divides === false) expect(plan.devices.length).toBeLessThan(2);
      }),
      { numRuns: 300 },
    );
  });

  it('another free card never puts fewer layers on devices', () => {
    fc.assert(
      fc.property(anyMachine, anyModel, (machine, of) => {
        const view = machine();
        const { report } = view;
        if (report === null || report.engines?.[0]?.divides === false) return;
        const added = { ...report, devices: [...report.devices, device('gpu-new', { vramBytes: 32 * GiB })] };
        const before = planModel(of, settings(), view, overheadBytes);
        const after = planModel(of, settings(), { ...view, report: added }, overheadBytes);
        if (before.kind !== 'no') expect(after.hostLayers).toBeLessThanOrEqual(before.hostLayers);
      }),
      { numRuns: 300 },
    );
  });
});
