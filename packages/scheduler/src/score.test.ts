import type { DeviceUuid } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { nothingKnown } from './demand.ts';
import { reserve } from './ledger.ts';
import { defaultPolicy } from './placement-policy.ts';
import {
  device,
  forge,
  GiB,
  gtx1060,
  part,
  report,
  rtx3060,
  shape,
  whole,
  worker,
} from './reference-grid.fixture.ts';
import { scoresOf, totalOf } from './score.ts';
import type { Shape } from './shape.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const scores = (what: Shape, view: WorkerView) => scoresOf(what, view, view.report!, nothingKnown);
const fit = (what: Shape, view: WorkerView) => scores(what, view).fit;

function holding(view: WorkerView, uuid: string, vramBytes: number, isWhole = false): WorkerView {
  const devices = [{ uuid: uuid as DeviceUuid, vramBytes, whole: isWhole }];
  reserve(view.ledger, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices });
  return view;
}

describe('fit', () => {
  const card = (uuid: string) => device(uuid, { vramBytes: 8 * GiB });
  const one = () => worker('w', { devices: [card('a')] });
  const two = () => worker('w', { devices: [card('a'), card('b')] });

  it('is 1 when a part fills the device and the host, and falls with what is left', () => {
    expect(fit(shape(part(8 * GiB)), one())).toBe(1);
    expect(fit(shape(part(4 * GiB)), one())).toBeCloseTo(0.5, 12);
    expect(fit(shape(part(2 * GiB)), one())).toBeCloseTo(0.25, 12);
  });

  it('counts what is left on an opened device for less than on an untouched one', () => {
    // Device: 1 - 2/8/2; host: 6/8.
    expect(fit(shape(part(4 * GiB)), holding(one(), 'a', 2 * GiB))).toBeCloseTo(0.7 * 0.875 + 0.3 * 0.75, 12);
  });

  it('is better on a host whose other devices are taken', () => {
    const taken = holding(two(), 'b', 8 * GiB, true);
    expect(fit(shape(part(4 * GiB)), taken)).toBeGreaterThan(fit(shape(part(4 * GiB)), two()));
    expect(fit(shape(whole(1)), taken)).toBeGreaterThan(fit(shape(whole(1)), two()));
  });

  it('spends lesser cards rather than better ones', () => {
    const [attic, desk] = [
      worker('w', { devices: [gtx1060('a')] }),
      worker('w', { devices: [rtx3060('a')] }),
    ];
    expect(fit(shape(whole(1)), attic)).toBeGreaterThan(fit(shape(whole(1)), desk));
  });

  it('of a task without a device is 1 away from devices, and less the more there are', () => {
    expect(fit(shape(), worker('w'))).toBe(1);
    expect(fit(shape(), one())).toBeGreaterThan(fit(shape(), two()));
  });
});

describe('the other terms', () => {
  it('say how the machine stands after the task', () => {
    const half = { ...worker('w', { slots: 4, speed: 1 }), reliability: 0.5 };
    reserve(half.ledger, { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] });
    expect(scores(shape(undefined, { image: 'a:1' }), half)).toEqual({
      fit: 1,
      image: 0,
      reliability: 0.5,
      load: 0.5,
      spread: 0.5,
      speed: 0.5,
    });
  });

  it('take an unmeasured machine for a slow one', () => {
    const at = (speed: number) => scores(shape(), worker('w', { speed })).speed;
    expect([at(0), at(0.25), at(0.5), at(2), at(9)]).toEqual([0.25, 0.125, 0.25, 1, 1]);
  });

  it('stay in 0..1 when a machine reports less than is held on it', () => {
    const shrunk = holding(forge(), 'gpu-3060', 5 * GiB);
    reserve(shrunk.ledger, { cpuMilli: 9000, memoryBytes: 0, diskBytes: 0, devices: [] });
    const less = report({ cpuMilli: 1000, slots: 1, speed: -1, devices: [] });
    changeView(shrunk, { report: less, reliability: 2 });
    for (const score of Object.values(scores(shape(), shrunk))) expect(score >= 0 && score <= 1).toBe(true);
  });
});

it('the total is the weighted sum of the terms, and the weights sum to 1', () => {
  const { weights } = defaultPolicy;
  const view = holding(forge({ speed: 0.7 }), 'gpu-3060', 5 * GiB);
  const of = scores(shape(part(4 * GiB)), view);
  const keys = Object.keys(weights) as (keyof typeof weights)[];
  expect(Object.keys(of)).toEqual(keys);
  expect(totalOf(shape(part(4 * GiB)), view, view.report!, nothingKnown, defaultPolicy)).toBeCloseTo(
    keys.reduce((sum, key) => sum + weights[key] * of[key], 0),
    12,
  );
  expect(keys.reduce((sum, key) => sum + weights[key], 0)).toBeCloseTo(1, 12);
});
