/** What the core does, and leaves undone, while the journal cannot be written (E19). */
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from './core.fixture.ts';
import type { BrokerEffect } from './effects.ts';

function stall(grid: CoreFixture, stalled = true): void {
  grid.step({ kind: 'journalStalled', stalled });
}

/** Effects that would wait for the journal. */
function waiting(effects: readonly BrokerEffect[]): BrokerEffect[] {
  return effects.filter(
    (effect) =>
      effect.kind === 'record' ||
      effect.kind === 'lookup' ||
      effect.kind === 'history' ||
      effect.kind === 'spec' ||
      ((effect.kind === 'send' || effect.kind === 'lease' || effect.kind === 'grant') && effect.gated),
  );
}

const ask = (op: string, args: unknown) => ({ kind: 'request', id: 1, op, args }) as const;
const whole = { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } };

describe('a stalled journal', () => {
  test('leaves a result unanswered, frees what the attempt held, and takes it when it comes again', () => {
    const grid = new CoreFixture();
    const [worker, client] = [grid.worker(), grid.client()];
    grid.submit(client, 1, whole);
    stall(grid);
    for (let n = 0; n < 3; n += 1) {
      const effects = grid.result(worker, 1);
      expect(waiting(effects)).toEqual([]);
      expect(sent(effects, 'resultAck')).toEqual([]);
    }
    expect(grid.task(1)?.outcome).toBeNull();
    // An ephemeral task runs where the ended attempt was, and is answered at once.
    const placed = grid.submit(client, 2, { ...whole, durable: false });
    expect(leases(placed)).toMatchObject([{ gated: false }]);
    const ephemeral = [...grid.state.tasks.keys()].find((id) => id !== 1) as number;
    const ended = grid.result(worker, ephemeral);
    expect(waiting(ended)).toEqual([]);
    expect(sent(ended, 'finished')).toMatchObject([{ task: ephemeral, state: 'succeeded' }]);
    expect(sent(ended, 'resultAck')).toHaveLength(1);
    stall(grid, false);
    expect(sent(grid.result(worker, 1), 'resultAck')).toHaveLength(1);
    expect(grid.task(1)?.outcome?.state).toBe('succeeded');
    expect(grid.state.views[0]?.ledger.attempts).toBe(0);
  });

  test('holds back no repeats of leases, stops and drops, however many heartbeats come; they follow after it', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    const ghost = {
      task: 900 as never,
      attempt: 1 as never,
      epoch: 1 as never,
      phase: 'running' as const,
      reservation: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [] },
    };
    const worker = grid.worker('w-1', {}, [ghost]);
    grid.submit(client, 1);
    grid.submit(client, 2);
    grid.say(client, ask('cancel', { task: 1 }));
    stall(grid);
    const repeats: BrokerEffect[] = [];
    for (let seq = 1; seq <= 50; seq += 1) {
      grid.mono += 2000;
      repeats.push(...grid.heartbeat(worker, seq, [[900, 1]]));
    }
    expect(waiting(repeats)).toEqual([]);
    stall(grid, false);
    const after = grid.heartbeat(worker, 51, [[900, 1]]);
    expect(leases(after)).toHaveLength(2);
    expect(sent(after, 'stop').map(({ reason }) => reason)).toEqual(['drop', 'cancel']);
  });

  test('lets a worker join; the leases it is to have follow after it', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.worker();
    grid.submit(client, 1);
    stall(grid);
    const before = grid.effects.length;
    const worker = grid.worker('w-1', {}, [
      {
        task: 1 as never,
        attempt: 1 as never,
        epoch: 1 as never,
        phase: 'running',
        reservation: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] },
      },
    ]);
    expect(waiting(grid.effects.slice(before))).toEqual([]);
    expect(leases(grid.heartbeat(worker, 1, []))).toEqual([]);
    stall(grid, false);
    expect(leases(grid.heartbeat(worker, 2, []))).toHaveLength(1);
  });

  test.each([
    ['cancel', { task: 1 }],
    ['drain', { node: 'w-1', draining: true }],
    ['removeNode', { node: 'w-1' }],
    ['spec', { task: 1 }],
    ['ps', { all: true }],
    ['show', { task: 77 }],
    ['logs', { task: 77 }],
  ])('refuses what it would have to write or read: %s %j', (op, args) => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.worker();
    grid.submit(client, 1);
    stall(grid);
    const effects = grid.say(client, ask(op, args));
    expect(waiting(effects)).toEqual([]);
    expect(sent(effects, 'reply')).toMatchObject([{ failure: { code: 'unplaceable.journal' } }]);
    expect(grid.task(1)?.cancelRequested).toBe(false);
    expect(grid.state.workers.size).toBe(1);
  });

  test.each([
    ['ps', {}],
    ['show', { task: 1 }],
    ['explain', { task: 1 }],
    ['logs', { task: 1 }],
    ['nodes', {}],
    ['status', {}],
  ])('answers at once what is known: %s', (op, args) => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.worker();
    grid.submit(client, 1);
    stall(grid);
    const effects = grid.say(client, ask(op, args));
    expect(waiting(effects)).toEqual([]);
    expect(
      effects.filter(({ kind }) => kind === 'send' || kind === 'grant' || kind === 'status'),
    ).toHaveLength(1);
    expect(sent(effects, 'reply').every(({ failure }) => failure === null)).toBe(true);
  });

  test('refuses new durable submissions, and leaves repeats of taken ones for later', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.worker();
    grid.submit(client, 1, {}, { key: 'k' });
    stall(grid);
    expect(sent(grid.submit(client, 2), 'refused')).toMatchObject([
      { failure: { code: 'unplaceable.journal' } },
    ]);
    for (const again of [
      grid.submit(client, 1, {}, { key: 'k' }),
      grid.submit(client, 3, {}, { key: 'k' }),
    ]) {
      expect(again.filter(({ kind }) => kind !== 'answered')).toEqual([]);
    }
    const watch = grid.say(client, { kind: 'watch', tasks: [1 as never, 77 as never], progress: true });
    expect(waiting(watch)).toEqual([]);
    stall(grid, false);
    expect(sent(grid.submit(client, 3, {}, { key: 'k' }), 'accepted')).toMatchObject([{ task: 1 }]);
  });

  test('an ended attempt that a hello lists holds nothing, in this epoch or the next (E14)', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    const worker = grid.worker();
    grid.submit(client, 1, whole);
    stall(grid);
    grid.result(worker, 1);
    grid.submit(client, 2, { ...whole, durable: false });
    const ephemeral = [...grid.state.tasks.keys()].find((id) => id !== 1) as number;
    const reservation = { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0, devices: [] };
    const held = (task: number, phase: 'running' | 'ended') =>
      ({ task, attempt: 1, epoch: 1, phase, reservation }) as never;
    const next = grid.restart();
    // Both at once would be more than the machine has: the fixture checks the ledger after each step.
    const again = next.worker('w-1', {}, [held(1, 'ended'), held(ephemeral, 'running')]);
    expect(next.state.views[0]?.ledger.cpuMilli).toBe(4000);
    next.heartbeat(again, 1, [[1, 1]]);
    next.result(again, 1, 1, null, 1 as never);
    expect(next.state.views[0]?.ledger).toMatchObject({ cpuMilli: 0, attempts: 0 });
  });
});
