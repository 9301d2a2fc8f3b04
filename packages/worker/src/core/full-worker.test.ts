/** A worker that holds all it may: its hello and heartbeats must still be such as every broker reads. */
import {
  type DeviceUuid,
  decodeFrame,
  encodeFrame,
  limits,
  type Message,
  type PeerHello,
} from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { whyNotListed } from './sessions.ts';
import { facts, fence, heartbeats, results, starts, WorkerUnderTest } from './worker-core.fixture.ts';

let worker: WorkerUnderTest;
let task = 0;

beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
  task = 0;
});

const share = { uuid: 'GPU-'.padEnd(limits.uuidChars, 'x') as DeviceUuid, vramBytes: 2 ** 40, whole: false };

function fillWith(shares: number): void {
  const devices = Array.from({ length: shares }, () => share);
  for (let started = 1; started > 0; ) {
    task += 1;
    started = starts(worker.hear(worker.leaseOf(fence(task), { devices }))).length;
  }
  while (worker.state.attempts.size < limits.attemptsListed) {
    const before = worker.state.attempts.size;
    task += 1;
    worker.lease(fence(task));
    if (worker.state.attempts.size === before) return;
  }
}

function isRead(session: string, message: Message): boolean {
  const decoded = decodeFrame(encodeFrame(session, [message]), 'toBroker');
  return decoded.ok;
}

function helloIsRead(): boolean {
  const peer: PeerHello = { kind: 'worker', boot: 'b', ...worker.hello(), head: null };
  const key = 'k'.repeat(43);
  const hello = {
    kind: 'hello',
    nonce: key,
    key,
    role: 'worker',
    signature: key,
    product: '0',
    peer,
  } as const;
  return isRead('', hello);
}

describe('a worker that holds all it may', () => {
  it('can say hello and keep in touch, its kept refusals included', () => {
    fillWith(0);
    expect(worker.state.attempts.size).toBe(limits.attemptsListed);
    const [heartbeat] = heartbeats(worker.tick(2000));
    expect(heartbeat?.attempts).toHaveLength(limits.attemptsListed);
    expect(heartbeat && isRead('s', heartbeat)).toBe(true);
    expect(helloIsRead()).toBe(true);
  });

  it('is full before its hello is, when its attempts hold many devices', () => {
    fillWith(limits.devices);
    const running = [...worker.state.attempts.values()].filter(({ phase }) => phase === 'starting');
    expect(running.length).toBeGreaterThan(100);
    expect(running.length).toBeLessThan(limits.attemptsPerWorker);
    expect(worker.state.attempts.size).toBeGreaterThanOrEqual(running.length + limits.keptRefusals);
    expect(helloIsRead()).toBe(true);
  });

  it('answers further stops that overtake their leases, and keeps none of them', () => {
    fillWith(0);
    for (let further = 0; further < 10; further += 1) {
      task += 1;
      const { leaseSeq } = worker.leaseOf(fence(task));
      expect(results(worker.stop(fence(task), 'cancel', leaseSeq))).toHaveLength(1);
    }
    expect(worker.state.attempts.size).toBe(limits.attemptsListed);
  });

  it('has room again for what was acknowledged', () => {
    fillWith(limits.devices);
    const room = worker.state.listedBytes;
    for (const attempt of [...worker.state.attempts.values()]) {
      if (attempt.phase === 'starting') worker.exit(attempt.fence);
      worker.ack(attempt.fence);
    }
    expect(worker.state.listedBytes).toBe(0);
    task += 1;
    expect(starts(worker.lease(fence(task)))).toHaveLength(1);
    expect(room).toBeGreaterThan(limits.heldBytes / 2);
  });
});

describe('what an earlier life left', () => {
  it('is more than can be told: in words, before any hello', () => {
    const found = Array.from({ length: limits.attemptsListed }, () => ({ facts }));
    expect(whyNotListed(found)).toBeNull();
    expect(whyNotListed([...found, { facts }])).toMatch(/^4353 attempts of an earlier life/);
    const { reservation } = facts;
    const devices = Array.from({ length: limits.devices }, () => share);
    const large = { ...facts, reservation: { ...reservation, devices } };
    expect(whyNotListed(found.slice(0, 1000).map(() => ({ facts: large })))).toMatch(/bytes/);
  });
});
