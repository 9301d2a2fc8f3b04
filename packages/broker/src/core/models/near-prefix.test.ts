/** Prompts whose beginning was answered on one of several workers. */
import { expect, it } from 'vitest';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import { add, beginGrid, done, grid, instances, ready, request, serving } from './instances.fixture.ts';

it('go there again, and it is explained; without hashes nothing is', () => {
  beginGrid();
  const workers = ['w-1', 'w-2'].map((id) => grid.worker(id, serving));
  add({ replicas: { min: 2, max: 2 } });
  grid.pass(3000, workers);
  for (const [nth, worker] of workers.entries()) ready(worker, instances()[nth] as Task);
  const [first, second] = [request('tiny', { prefix: ['a'] }), request('tiny', { prefix: ['b', 'bc'] })];
  const places = [first, second].map((task) => task.lease?.worker);
  expect(new Set(places).size).toBe(2);
  for (const task of [first, second]) done(workers[task.lease?.worker === 'w-1' ? 0 : 1] as never, task);
  const again = ['a', 'b', 'b', 'a'].map((hash) => {
    const task = request('tiny', { prefix: [hash, `${hash}c`] });
    const { worker } = task.lease as { worker: string };
    const told = explainDocument(grid.state, task, grid.wall).workers.map(({ scores }) => scores?.prefix);
    done(workers[worker === 'w-1' ? 0 : 1] as never, task);
    return [worker, told];
  });
  const order = (worker: string | undefined, share: number) => (worker === 'w-1' ? [share, 0] : [0, share]);
  const [a, b] = places;
  expect(again).toEqual([
    [a, order(a, 0.5)],
    [b, order(b, 1)],
    [b, order(b, 1)],
    [a, order(a, 1)],
  ]);
  const plain = request();
  const [{ scores = {} } = {}] = explainDocument(grid.state, plain, grid.wall).workers;
  expect(scores).not.toHaveProperty('prefix');
});
