import { limits, type TaskId } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';

test('a session watches as many unfinished tasks as it may, and more when some of them ended', () => {
  const grid = new CoreFixture();
  const submitter = grid.client();
  grid.submit(submitter, 1);
  grid.submit(submitter, 2);
  const watcher = grid.client('viewer', 'c2', 'p-2');
  const watching = grid.state.sessions.get(watcher)?.watching as Set<TaskId>;
  for (let other = 1; other < limits.clientOutstanding; other += 1) watching.add((1000 + other) as TaskId);
  const watch = { kind: 'watch', tasks: [1 as TaskId, 2 as TaskId], progress: false } as const;
  grid.say(watcher, watch);
  expect([1, 2].map((id) => watching.has(id as TaskId))).toEqual([true, false]);
  expect(watching.size).toBe(limits.clientOutstanding);
  grid.say(submitter, { kind: 'request', id: 1, op: 'cancel', args: { task: 1 } });
  grid.say(watcher, watch);
  expect([1, 2].map((id) => watching.has(id as TaskId))).toEqual([false, true]);
});

test('a worker that asks for what is not its own loses its session, and is counted', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const effects = grid.say(worker, { kind: 'watch', tasks: [1 as TaskId], progress: false });
  expect(effects[0]).toMatchObject({
    kind: 'close',
    session: worker,
    failure: { code: 'rejected.forbidden' },
  });
  expect(grid.state.counters.forbidden).toBe(1);
});

test('progress names the worker as people do', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.submit(client, 1);
  const asked = grid.say(client, { kind: 'watch', tasks: [1 as TaskId], progress: true });
  expect(sent(asked, 'changed')).toMatchObject([{ state: 'waiting', worker: '', workerName: '' }]);
  grid.effects = [];
  grid.worker('w-1', { name: 'anvil' });
  expect(sent(grid.effects, 'changed')).toMatchObject([
    { state: 'leased', worker: 'w-1', workerName: 'anvil' },
  ]);
});

test('who submits may ask for the changes with the submission, up to what a session may watch', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.worker('w-1', { name: 'anvil' });
  grid.effects = [];
  grid.submit(client, 1, { durable: false }, { progress: true });
  const task = sent(grid.effects, 'accepted')[0]?.task as TaskId;
  const told = grid.effects.flatMap((effect) =>
    effect.kind === 'send' && effect.session === client ? [effect.message] : [],
  );
  expect(told).toMatchObject([
    { kind: 'accepted', seq: 1, task, progress: true },
    { kind: 'changed', task, state: 'leased', attempt: 1, workerName: 'anvil' },
  ]);
  const watching = grid.state.sessions.get(client)?.watching as Set<TaskId>;
  for (let other = 1; other < limits.clientOutstanding; other += 1) watching.add((1000 + other) as TaskId);
  grid.effects = [];
  grid.submit(client, 2, { durable: false }, { progress: true });
  expect(sent(grid.effects, 'accepted')[0]?.progress).toBeUndefined();
  expect(sent(grid.effects, 'changed')).toEqual([]);
});
