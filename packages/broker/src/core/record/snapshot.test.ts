import type { ClientId, Epoch } from '@gryphgen/protocol';
import { limits } from '@gryphgen/protocol';
import { afterEach, expect, test } from 'vitest';
import { CoreFixture } from '../core.fixture.ts';
import { loadSnapshot, saveSnapshot } from './snapshot.ts';

const shared = limits as { envelopes: number };
const { envelopes } = limits;

afterEach(() => {
  shared.envelopes = envelopes;
});

test('a snapshot keeps the very envelopes the state keeps, however many ended tasks name others', () => {
  shared.envelopes = 2;
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  for (const [index, name] of ['a', 'b', 'c', 'd', 'a', 'c'].entries()) {
    grid.submit(client, index + 1, { name });
    grid.result(worker, index + 1);
  }
  const saved = saveSnapshot(grid.state);
  const loaded = loadSnapshot(structuredClone(saved), 1 as Epoch);
  expect([...loaded.specs.keys()].sort()).toEqual([...grid.state.specs.keys()].sort());
  expect([...loaded.specs.values()].map(({ refs }) => refs)).toEqual(
    [...grid.state.specs.values()].map(({ refs }) => refs),
  );
  expect(saveSnapshot(loaded)).toEqual(saved);
});

test('what a removed worker ran still names it after a snapshot', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  grid.submit(client, 1);
  grid.result(worker, 1);
  grid.say(client, { kind: 'request', id: 1, op: 'removeNode', args: { node: 'w-1' } });
  const next = grid.restart(true);
  expect(next.state.workers.size).toBe(0);
  expect(next.task(1)?.outcome).toMatchObject({ worker: 'w-1', reservation: { cpuMilli: 1000 } });
});

test('what a client is answered after a snapshot is what it was answered before: floors, submissions and keys', () => {
  const grid = new CoreFixture();
  grid.worker();
  const client = grid.client();
  for (const seq of [1, 2, 3]) grid.submit(client, seq, {}, { floor: Math.max(1, seq - 1), key: `k${seq}` });
  const loaded = loadSnapshot(structuredClone(saveSnapshot(grid.state)), 2 as Epoch);
  expect(grid.state.clients.get('p-1 c1' as ClientId)).toEqual({
    floor: 2,
    tasks: new Map([
      [2, 2],
      [3, 3],
    ]),
  });
  expect(loaded.clients).toEqual(grid.state.clients);
  expect(loaded.keys).toEqual(grid.state.keys);
});

test('that an admin submitted a task is known after a restart, of another session of the same key nothing', () => {
  const grid = new CoreFixture();
  grid.submit(grid.client('admin', 'c1', 'p-1'), 1);
  grid.submit(grid.client('submitter', 'c2', 'p-2'), 1);
  grid.submit(grid.client('submitter', 'c3', 'p-1'), 1);
  for (const snapshot of [true, false]) {
    const next = grid.restart(snapshot);
    expect([1, 2, 3].map((id) => next.task(id)?.byAdmin)).toEqual([true, false, false]);
  }
});
