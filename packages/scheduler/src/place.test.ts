import type { DeviceUuid, Failure, WorkerReport } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { FOREIGN_IDLE_BYTES, FOREIGN_MARGIN_BYTES } from './device-fit.ts';
import { release, reserve } from './ledger.ts';
import { place } from './place.ts';
import {
  device,
  forge,
  GiB,
  gtx1060,
  MiB,
  part,
  rtx3060,
  shape,
  whole,
  worker,
} from './reference-grid.fixture.ts';
import type { Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** Places and reserves; the devices' uuids, or how it was refused. */
function take(what: Shape, workers: readonly WorkerView[]): string {
  const placement = place(what, workers);
  if (placement.kind !== 'placed') return placement.kind;
  reserve(workers.find(({ id }) => id === placement.worker)!.ledger, placement.reservation);
  return placement.reservation.devices.map(({ uuid }) => uuid).join('+');
}

function chosen(what: Shape, workers: readonly WorkerView[]): string {
  const placement = place(what, workers);
  return placement.kind === 'placed' ? placement.worker : placement.kind;
}

function refusal(what: Shape, workers: readonly WorkerView[]): Failure {
  const placement = place(what, workers);
  if (placement.kind !== 'impossible') throw new Error(`expected impossible, got ${placement.kind}`);
  return placement.failure;
}

describe('devices of forge', () => {
  it('never puts 7 GiB on the GTX 1060, and lets a second one wait', () => {
    const workers = [forge()];
    expect(take(shape(part(7 * GiB)), workers)).toBe('gpu-3060');
    expect(take(shape(part(7 * GiB)), workers)).toBe('waiting');
    expect(take(shape(part(5.5 * GiB)), workers)).toBe('gpu-1060');
    expect(take(shape(part(5 * GiB)), workers)).toBe('gpu-3060');
  });

  it('puts a part where it leaves least: exactly the size of the card fits', () => {
    const workers = [forge()];
    expect(take(shape(part(4 * GiB)), workers)).toBe('gpu-1060');
    expect(take(shape(part(4 * GiB)), workers)).toBe('gpu-3060');
    expect(take(shape(part(8 * GiB)), workers)).toBe('gpu-3060');
    expect(take(shape(part(1968 * MiB)), workers)).toBe('gpu-1060');
    expect(take(shape(part(1)), workers)).toBe('waiting');
  });

  it('keeps Pascal out when 7.0 is asked', () => {
    const workers = [forge()];
    const modern = shape(part(6 * GiB, { minComputeCapability: 70 }));
    expect([take(modern, workers), take(modern, workers), take(modern, workers)]).toEqual([
      'gpu-3060',
      'gpu-3060',
      'waiting',
    ]);
  });

  it('chooses a device by a part of its name, whatever the case, or by itself', () => {
    expect(take(shape(part(GiB, { name: 'rtx 3060' })), [forge()])).toBe('gpu-3060');
    for (const uuid of ['gpu-3060', 'gpu-1060'] as DeviceUuid[])
      expect(take(shape({ ...part(GiB), uuid }), [forge()])).toBe(uuid);
    const elsewhere = shape({ ...part(GiB), uuid: 'gpu-other' as DeviceUuid });
    expect(refusal(elsewhere, [forge()]).message).toContain('gpu-other asked');
    expect(refusal(shape(whole(1, { name: 'A100' })), [forge()]).message).toContain(
      'does not have "a100" in its name',
    );
  });

  it('spends the least capable whole device first', () => {
    const workers = [forge()];
    expect(take(shape(whole(1)), workers)).toBe('gpu-1060');
    expect(take(shape(whole(1)), workers)).toBe('gpu-3060');
    expect(take(shape(whole(1)), workers)).toBe('waiting');
  });

  it('takes several whole devices at once, all of their memory', () => {
    const placement = place(shape(whole(2)), [forge()]);
    expect(placement).toMatchObject({
      reservation: {
        devices: [
          { uuid: 'gpu-1060', vramBytes: 6064 * MiB, whole: true },
          { uuid: 'gpu-3060', vramBytes: 12_288 * MiB, whole: true },
        ],
      },
    });
    expect(refusal(shape(whole(3)), [forge()]).message).toContain(
      '3 whole devices asked, 2 of its 2 will do',
    );
  });

  it('puts nobody beside a whole holder, and no whole holder beside a part', () => {
    const workers = [forge({ devices: [rtx3060('a')] })];
    expect(take(shape(part(1)), workers)).toBe('a');
    expect(take(shape(whole(1)), workers)).toBe('waiting');
    const others = [forge({ devices: [rtx3060('a')] })];
    expect(take(shape(whole(1)), others)).toBe('a');
    expect(take(shape(part(1)), others)).toBe('waiting');
  });

  it('takes parts of the very devices that are named, all of them or none', () => {
    const parts = (first: number, second: number): Shape =>
      shape({
        kind: 'parts',
        parts: [
          { uuid: 'gpu-3060' as DeviceUuid, vramBytes: first },
          { uuid: 'gpu-1060' as DeviceUuid, vramBytes: second },
        ],
      });
    const workers = [forge()];
    expect(take(parts(10 * GiB, 5 * GiB), workers)).toBe('gpu-3060+gpu-1060');
    expect(take(parts(2 * GiB, GiB), workers)).toBe('waiting');
    expect(take(parts(2 * GiB, 800 * MiB), workers)).toBe('gpu-3060+gpu-1060');
    expect(refusal(parts(10 * GiB, 6 * GiB), workers).message).toMatch(
      /even when empty: NVIDIA GeForce GTX 1060 6GB has 6064 MiB, 6 GiB asked: 80 MiB short/,
    );
    expect(refusal(parts(GiB, GiB), [forge({ devices: [rtx3060('gpu-3060')] })]).message).toMatch(
      /has no device gpu-1060$/,
    );
  });

  it('keeps a device barred while a ghost of its whole holder may be there', () => {
    const machine = forge({ devices: [rtx3060('a')] });
    const ghost = (vramBytes: number, isWhole: boolean) => ({
      cpuMilli: 0,
      memoryBytes: 0,
      diskBytes: 0,
      devices: [{ uuid: 'a' as DeviceUuid, vramBytes, whole: isWhole }],
    });
    reserve(machine.ledger, ghost(12_288 * MiB, true));
    reserve(machine.ledger, ghost(GiB, false));
    release(machine.ledger, ghost(12_288 * MiB, true));
    expect(chosen(shape(part(GiB)), [machine])).toBe('waiting');
    release(machine.ledger, ghost(GiB, false));
    expect(chosen(shape(part(GiB)), [machine])).toBe('w-forge');
  });

  it('of two with the same left takes the less capable', () => {
    const workers = [forge()];
    expect(take(shape(part((12_288 - 6064) * MiB)), workers)).toBe('gpu-3060');
    expect(take(shape(part(GiB)), workers)).toBe('gpu-1060');
  });

  it('charges CPU and memory of the host once, however many devices', () => {
    const placement = place(shape(whole(2), { cpuMilli: 3000, memoryBytes: GiB, diskBytes: 7 }), [forge()]);
    expect(placement).toMatchObject({ reservation: { cpuMilli: 3000, memoryBytes: GiB, diskBytes: 7 } });
  });
});

describe('use from outside the grid', () => {
  const withForeign = (foreignBytes: number) => [
    worker('w', { devices: [device('a', { vramBytes: 8 * GiB, foreignBytes })] }),
  ];

  it('is never given away, nor is the margin beside it', () => {
    const free = 8 * GiB - GiB - FOREIGN_MARGIN_BYTES;
    expect(take(shape(part(free)), withForeign(GiB))).toBe('a');
    expect(take(shape(part(free + 1)), withForeign(GiB))).toBe('waiting');
    expect(take(shape(part(8 * GiB)), withForeign(1))).toBe('waiting');
    expect(take(shape(part(8 * GiB)), withForeign(0))).toBe('a');
  });

  it('leaves a device to be held whole only while it is about idle', () => {
    expect(take(shape(whole(1)), withForeign(FOREIGN_IDLE_BYTES))).toBe('a');
    expect(take(shape(whole(1)), withForeign(FOREIGN_IDLE_BYTES + 1))).toBe('waiting');
  });
});

describe('waiting or impossible', () => {
  const tooMuch = shape(undefined, { cpuMilli: 33_000 });

  it('waits while no worker is known, or one has not reported since the broker started', () => {
    expect(chosen(tooMuch, [])).toBe('waiting');
    expect(chosen(tooMuch, [{ ...forge(), report: null }])).toBe('waiting');
    expect(chosen(tooMuch, [{ ...forge(), report: null }, worker('w')])).toBe('waiting');
  });

  it.each<[string, Partial<WorkerView>]>([
    ['not connected', { connected: false }],
    ['draining', { draining: true }],
  ])('waits for a worker that is %s', (_what, changes) => {
    expect(chosen(shape(), [{ ...forge(), ...changes }])).toBe('waiting');
    expect(refusal(tooMuch, [{ ...forge(), ...changes }]).code).toBe('rejected.impossible');
  });

  it.each<[string, Shape, Partial<WorkerReport>, string]>([
    ['slots', shape(), { slots: 1 }, 'slots'],
    ['CPU', shape(undefined, { cpuMilli: 3000 }), {}, 'CPU'],
    ['memory', shape(undefined, { memoryBytes: 9 * GiB }), {}, 'memory'],
    ['disk', shape(undefined, { diskBytes: 51 * GiB }), {}, 'disk'],
  ])('waits for %s that others hold', (_what, what, has) => {
    const workers = [worker('w', has)];
    expect([take(what, workers), take(what, workers)]).toEqual(['', 'waiting']);
  });

  it('names the nearest machine and what is short there', () => {
    const small = worker('w-small', { name: 'attic', devices: [gtx1060('b')] });
    expect(refusal(shape(part(6 * GiB)), [worker('w-a'), small]).message).toBe(
      'none of 2 workers could take it even when empty; the nearest, attic: NVIDIA GeForce GTX 1060 6GB has 6064 MiB, ' +
        '6 GiB asked: 80 MiB short (ask for 6064MiB or less to fit this card)',
    );
    expect(refusal(shape(part(24 * GiB)), [small, forge()]).message).toContain('nearest, forge');
    expect(refusal(tooMuch, [forge(), worker('w-a')])).toEqual({
      code: 'rejected.impossible',
      message:
        'none of 2 workers could take it even when empty; the nearest, forge: CPU: 33 asked, it has 32: 1 short',
    });
  });

  it.each<[Shape, Partial<WorkerReport>, string]>([
    [shape(undefined, { kind: 'infer' }), {}, 'cannot run infer tasks (it offers container, process, noop)'],
    [shape(), { slots: 0 }, 'offers no slots'],
    [shape(undefined, { memoryBytes: 20 * GiB }), {}, 'memory: 20 GiB asked, it has 16 GiB: 4 GiB short'],
    [shape(undefined, { diskBytes: 200 * GiB }), {}, 'disk: 200 GiB asked, it has 100 GiB: 100 GiB short'],
    [shape(part(1)), {}, 'has no device'],
    [
      shape(undefined, { constraints: { worker: 'forge', labels: {} } }),
      {},
      'is not the worker asked for, forge',
    ],
    [
      shape(undefined, { constraints: { labels: { zone: 'eu' } } }),
      { labels: { zone: 'us' } },
      'has zone=us, zone=eu asked',
    ],
    [
      shape(undefined, { constraints: { labels: { constructor: 'x' } } }),
      {},
      'has no label constructor, constructor=x asked',
    ],
    [
      shape(part(1, { minComputeCapability: 70 })),
      { devices: [gtx1060('g')] },
      'has compute capability 6.1, at least 7.0 asked',
    ],
    [
      shape(part(1, { minComputeCapability: 50 })),
      { devices: [device('g', { computeCapability: 0 })] },
      'has an unknown compute capability, at least 5.0 asked',
    ],
  ])('refuses what can never be: %#', (what, has, reason) => {
    const { message } = refusal(what, [worker('w', has)]);
    expect(message).toMatch(/^the only worker, w, could not take it even when empty: /);
    expect(message).toContain(reason);
  });

  it('takes a worker asked for by its id or its name', () => {
    const workers = [worker('w-1', { name: 'one' }), worker('w-2', { name: 'two' })];
    for (const wanted of ['w-2', 'two']) {
      expect(chosen(shape(undefined, { constraints: { worker: wanted, labels: {} } }), workers)).toBe('w-2');
    }
  });
});

describe('which of several', () => {
  it('takes the smaller id of equals', () => {
    expect(chosen(shape(), [worker('w-b'), worker('w-a'), worker('w-c')])).toBe('w-a');
  });

  it('keeps CPU work off machines with devices while another has room', () => {
    const workers = [forge(), worker('w-small', { speed: 0.5 })];
    for (let i = 0; i < 4; i += 1) {
      expect(chosen(shape(), workers)).toBe('w-small');
      take(shape(), workers);
    }
    expect(chosen(shape(), workers)).toBe('w-forge');
  });

  it('fills an opened device before it opens another machine', () => {
    const workers = [worker('w-a', { devices: [rtx3060('a')] }), worker('w-b', { devices: [rtx3060('b')] })];
    reserve(workers[1]!.ledger, {
      cpuMilli: 1000,
      memoryBytes: 0,
      diskBytes: 0,
      devices: [{ uuid: 'b' as DeviceUuid, vramBytes: GiB, whole: false }],
    });
    expect(take(shape(part(4 * GiB)), workers)).toBe('b');
    expect(take(shape(whole(1)), workers)).toBe('a');
  });

  it('does not spend the better card of another machine either', () => {
    const attic = worker('w-z', { devices: [gtx1060('small')], speed: 0.6 });
    const desk = worker('w-a', { devices: [rtx3060('big')], cpuMilli: 32_000 });
    expect(take(shape(whole(1)), [desk, attic])).toBe('small');
  });

  it.each<[string, Partial<WorkerReport>, Partial<WorkerView>]>([
    ['holds the image', { images: ['busybox:latest'] }, {}],
    ['is faster', { speed: 1.2 }, {}],
    ['has more CPU free', { cpuMilli: 8000 }, {}],
    ['has more slots', { slots: 32 }, {}],
    ['was lost less', {}, { reliability: 1 }],
  ])('prefers one that %s', (_what, has, view) => {
    const workers = [
      { ...worker('w-a'), reliability: 0.9 },
      { ...worker('w-b', has), reliability: 0.9, ...view },
    ];
    expect(chosen(shape(undefined, { image: 'busybox' }), workers)).toBe('w-b');
  });
});
