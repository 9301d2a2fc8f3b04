/** Models that are to be at one place. */
import type { ModelPlanDocument, SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  add,
  ask,
  beginGrid,
  gpu,
  grid,
  instance,
  instances,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { modelSpec } from './models.fixture.ts';

let [small, large]: SessionId[] = [];
beforeEach(() => {
  beginGrid();
  small = grid.worker('w-1', { ...serving, name: 'small', devices: [gpu('a', 2000), gpu('b', 4000)] });
  large = grid.worker('w-2', { ...serving, name: 'large', devices: [gpu('c', 8000)] });
});
const pinned = (place: object, layerMiB = 400) => add({ pinned: place } as never, layerMiB);
const on = () => instance().lease?.reservation.devices.map(({ uuid }) => uuid);

describe('a pinned model', () => {
  it('is loaded on its machine or card alone, whichever it would be otherwise', () => {
    for (const [place, device] of [
      [{ worker: 'large' }, 'c'],
      [{ worker: 'w-1', device: 'b' }, 'b'],
      [{ device: 'a' }, 'a'],
    ] as const) {
      beginGrid();
      small = grid.worker('w-1', { ...serving, name: 'small', devices: [gpu('a', 2000), gpu('b', 4000)] });
      large = grid.worker('w-2', { ...serving, name: 'large', devices: [gpu('c', 8000)] });
      pinned(place);
      request();
      expect(on()).toEqual([device]);
    }
  });

  it('waits for its card, and says so, where that is held by others', () => {
    grid.submit(grid.client('submitter', 'c9'), 1, {
      resources: {
        cpuMilli: 0,
        memoryBytes: 0,
        diskBytes: 0,
        gpu: { kind: 'whole', count: 1, uuid: 'c' as never },
      },
    });
    pinned({ device: 'c' });
    request();
    grid.pass(2000, [small as SessionId, large as SessionId]);
    expect(instances()).toEqual([]);
    expect(grid.state.models.lifeOf('tiny').reasons.join()).toContain(
      'large: nothing of it fits on c, to which it is pinned',
    );
  });

  it('is known by its worker’s id, once and after a restart', () => {
    pinned({ worker: 'large' });
    expect(model().pinned).toEqual({ worker: 'w-2' });
    const decisions = grid.groups.length;
    pinned({ worker: 'large' });
    expect(grid.groups).toHaveLength(decisions);
    expect(grid.restart(true).state.models.known.get('tiny')?.spec.pinned).toEqual({ worker: 'w-2' });
  });

  it('that moves ends where it was when it is idle', () => {
    pinned({ worker: 'large' });
    ask('loadModel', { name: 'tiny' });
    const task = instance();
    ready(large as SessionId, task);
    pinned({ worker: 'small' });
    grid.pass(2000, [small as SessionId, large as SessionId]);
    expect(task.cancelRequested).toBe(true);
  });

  it('is planned there alone', () => {
    pinned({ device: 'b' });
    const { description, serving: as } = modelSpec({}, 400);
    const plan = ask('planModel', { name: 'tiny', description, serving: as }) as ModelPlanDocument;
    expect(plan.workers.map(({ kind, devices }) => [kind, devices.map(({ uuid }) => uuid)])).toEqual([
      ['whole', ['b']],
      ['no', []],
    ]);
    expect(plan.workers[1]?.reasons).toEqual(['it is pinned to b']);
  });
});

describe('a place is refused', () => {
  it.each([
    [{ worker: 'forge' }, 'no worker "forge" on this grid'],
    [{ device: 'GPU-9' }, 'no machine of this grid has a device GPU-9'],
    [{ worker: 'small', device: 'c' }, 'small has no device c: "grid node show" lists them'],
  ])('that is not there: %j', (place, words) => {
    expect(() => pinned(place)).toThrow(words);
  });

  it('that could not hold it if it were empty', () => {
    expect(() => pinned({ worker: 'small' }, 6000)).toThrow(/tiny cannot be pinned there: .*short/);
    expect(() => pinned({ worker: 'large' }, 3000)).not.toThrow();
  });
});
