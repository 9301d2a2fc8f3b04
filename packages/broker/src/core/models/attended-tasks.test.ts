/** Questions whose asker is gone (E37). */
import { failure } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import { add, admin, beginGrid, done, grid, ready, request, serving } from './instances.fixture.ts';

beforeEach(() => beginGrid());

const broken = failure('lost.link', 'the connection to who asked broke while the answer was under way');

it('a question whose link was lost is begun again when its asker is heard, and ends with the session of one that is not', () => {
  const worker = grid.worker('w-1', serving);
  add();
  const [first, second] = [request('tiny', { attended: true }), request('tiny', { attended: true })];
  ready(worker);
  done(worker, first, broken);
  grid.pass(4000, [worker]);
  expect(first).toMatchObject({ phase: 'waiting', attempt: 1 });
  grid.pass(2000, [worker, admin]);
  expect(first).toMatchObject({ phase: 'leased', attempt: 2 });
  done(worker, second, broken);
  grid.pass(4000, [worker]);
  expect(second).toMatchObject({ phase: 'waiting', attempt: 1 });
  grid.step({ kind: 'sessionClosed', session: admin });
  grid.pass(1500, [worker]);
  expect(second).toMatchObject({ attempt: 1, outcome: { state: 'cancelled' } });
});

it('a question is begun again only if its asker has a session a second after the link was lost', () => {
  const worker = grid.worker('w-1', serving);
  add();
  const task = request('tiny', { attended: true });
  ready(worker);
  expect(task.phase).toBe('leased');
  done(worker, task, broken);
  expect(task).toMatchObject({ phase: 'waiting', attempt: 1 });
  grid.pass(1500, [worker, admin]);
  expect(task).toMatchObject({ phase: 'leased', attempt: 2 });
  done(worker, task, broken);
  grid.step({ kind: 'sessionClosed', session: admin });
  grid.pass(1500, [worker]);
  expect(task.outcome).toMatchObject({
    state: 'cancelled',
    failure: { code: 'cancelled.user', message: 'who asked is gone: nobody listens to the answer' },
  });
  expect(task.attempt).toBe(2);
});

it('all of an asker that does not come back are ended, whatever they wait for', () => {
  const worker = grid.worker('w-1', serving);
  add();
  const tasks = [1, 2, 3].map(() => request('tiny', { attended: true }));
  const unattended = request('tiny');
  ready(worker);
  grid.step({ kind: 'sessionClosed', session: admin });
  grid.pass(9000, [worker]);
  expect(tasks.map(({ phase }) => phase)).toEqual(['leased', 'leased', 'waiting']);
  grid.pass(2000, [worker]);
  // Those that run are ended by their worker.
  expect(tasks.map(({ cancelRequested }) => cancelRequested)).toEqual([true, true, false]);
  for (const task of tasks.slice(0, 2)) done(worker, task, failure('cancelled.user', 'stopped'));
  expect(tasks.map(({ outcome }) => outcome?.state)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  expect(unattended.phase).toBe('leased');
});

it('an asker that comes back finds its questions as they were', () => {
  const worker = grid.worker('w-1', serving);
  add();
  const task = request('tiny', { attended: true });
  ready(worker);
  grid.step({ kind: 'sessionClosed', session: admin });
  grid.pass(9000, [worker]);
  const back = grid.client('admin', 'c1');
  grid.pass(30_000, [worker, back]);
  expect(task).toMatchObject({ phase: 'leased', cancelRequested: false });
  done(worker, task);
  expect(task.outcome?.state).toBe('succeeded');
});
