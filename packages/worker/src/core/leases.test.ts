import { limits } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { fence, forgotten, results, starts, stopped, WorkerUnderTest } from './worker-core.fixture.ts';

let worker: WorkerUnderTest;

beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
});

describe('a lease', () => {
  it('starts its attempt with what the executor needs', () => {
    const resources = { cpuMilli: 500, memoryBytes: 7, diskBytes: 0 };
    const [order] = starts(worker.lease(fence(7), { timeoutMs: 9, onLinkLost: 'wait', resources }));
    expect(order).toMatchObject({
      fence: fence(7),
      facts: {
        kind: 'container',
        timeoutMs: 9,
        onLinkLost: 'wait',
        reservation: { ...resources, devices: [] },
      },
    });
    expect(worker.phase(fence(7))).toBe('starting');
  });

  it('takes the body out of the frame it came in', () => {
    const frame = new Uint8Array([1, 2, 3]);
    const [order] = starts(worker.hear(worker.leaseOf(fence(7), { body: frame.subarray(1) })));
    frame.fill(0);
    expect(order?.body).toEqual(new Uint8Array([2, 3]));
  });

  it('that confirms what has ended and been forgotten meanwhile starts nothing (E11)', () => {
    worker.lease(fence(7));
    worker.step({ kind: 'started', fence: fence(7) });
    worker.exit(fence(7));
    worker.open();
    const late = worker.leaseOf(fence(7));
    worker.ack(fence(7));
    expect(worker.hear(late)).toEqual([]);
  });

  it('starts nothing when it comes twice, late, or in a session that is over (E2, E9)', () => {
    const lease = worker.leaseOf(fence(7));
    expect(starts(worker.hear(lease))).toHaveLength(1);
    expect(worker.hear(lease)).toEqual([]);
    worker.step({ kind: 'started', fence: fence(7) });
    worker.exit(fence(7));
    expect(forgotten(worker.ack(fence(7)))).toEqual([fence(7)]);
    expect(worker.hear(lease)).toEqual([]);

    const late = worker.leaseOf(fence(8), { leaseSeq: 3 });
    worker.hear(worker.leaseOf(fence(9), { leaseSeq: 5, floor: 4 }));
    expect(worker.hear(late)).toEqual([]);

    const old = worker.leaseOf(fence(10));
    const oldSession = worker.session;
    worker.open();
    expect(worker.hear(old, oldSession)).toEqual([]);
    expect(worker.state.attempts.size).toBe(1);
  });

  it('takes numbers out of order', () => {
    for (const leaseSeq of [3, 1, 2]) {
      expect(starts(worker.hear(worker.leaseOf(fence(leaseSeq), { leaseSeq })))).toHaveLength(1);
    }
  });

  it('is not listened to between a hello and its welcome (E2)', () => {
    const { session } = worker;
    const lease = worker.leaseOf(fence(7));
    expect(worker.hello().attempts).toEqual([]);
    expect(worker.hear(lease, session)).toEqual([]);
  });

  it('confirms an attempt that is here already without starting it again (E11)', () => {
    worker.run(fence(7));
    worker.open();
    expect(worker.lease(fence(7))).toEqual([]);
    expect(worker.phase(fence(7))).toBe('running');
  });

  it('lets a newer attempt of a task run beside one that is still stopping', () => {
    worker.run(fence(7));
    worker.stop(fence(7), 'drop');
    expect(starts(worker.lease(fence(7, 2)))).toHaveLength(1);
    expect(forgotten(worker.exit(fence(7), stopped))).toEqual([fence(7)]);
    expect(worker.phase(fence(7, 2))).toBe('starting');
  });

  it('that cannot be read is answered, kept and repeated like any result', () => {
    const effects = worker.hear(worker.leaseOf(fence(7), { envelope: new Uint8Array([0xc1]) }));
    expect(starts(effects)).toEqual([]);
    expect(results(effects)).toMatchObject([{ ...fence(7), failure: { code: 'rejected.invalid' } }]);
    expect(results(worker.live(2000))).toHaveLength(1);
  });

  it('on a full worker is lost to it, in words; beyond the refusals it keeps it waits for the next', () => {
    for (let task = 1; task <= limits.attemptsPerWorker; task += 1) worker.lease(fence(task));
    const refused = worker.lease(fence(5000));
    expect(starts(refused)).toEqual([]);
    expect(results(refused)).toMatchObject([{ failure: { code: 'lost.worker' } }]);
    for (let task = 5001; task < 5256; task += 1) worker.lease(fence(task));
    const beyond = worker.leaseOf(fence(6000));
    expect(worker.hear(beyond)).toMatchObject([{ kind: 'note', note: { kind: 'leaseRefused' } }]);
    worker.ack(fence(5000));
    expect(results(worker.hear(beyond))).toHaveLength(1);
  });

  it('too far ahead of the others ends the session', () => {
    const far = 2 * limits.attemptsPerWorker + 3;
    let last = worker.hear({ kind: 'bye' });
    worker.open();
    for (let leaseSeq = 2; leaseSeq <= far; leaseSeq += 1) {
      last = worker.stop(fence(leaseSeq), 'drop', leaseSeq);
    }
    last = worker.hear(worker.leaseOf(fence(9000), { leaseSeq: far + 1 }));
    expect(last).toContainEqual(expect.objectContaining({ kind: 'leaveSession' }));
  });
});
