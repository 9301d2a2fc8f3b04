/** Slots that are lent (E41): they are called back when somebody else could use them. */
import type { PrincipalId, SessionId } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import type { Task } from '../state.ts';
import { add, ask, beginGrid, broken, done, grid, ready, request, serving } from './instances.fixture.ts';

beforeEach(() => beginGrid());

const lendingToo = { attended: true, loan: true, taskClass: 'loan infer tiny' } as const;
const loan = () => request('tiny', lendingToo);
const loaned = {
  ...({ ...lendingToo, kind: 'infer', model: 'tiny', durable: false } as const),
  resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
} as const;

/** A worker with an instance of two slots that is ready. */
function lending(): SessionId {
  const worker = grid.worker('w-1', serving);
  add({ replicas: { min: 1, max: 1 } });
  ready(worker);
  return worker;
}

function recalled(since = 0): number[] {
  return sent(grid.effects.slice(since), 'recall').map(({ task }) => task);
}
const ids = (...tasks: Task[]) => tasks.map(({ id }) => id);

it('a loan holds its slot as any request, and is called back when one waits for the model', () => {
  const worker = lending();
  const loans = [loan(), loan()];
  expect(loans.map(({ phase }) => phase)).toEqual(['leased', 'leased']);
  expect(recalled()).toEqual([]);
  const other = request();
  expect(other.phase).toBe('waiting');
  expect(recalled()).toEqual(ids(...loans));
  done(worker, loans[0] as Task);
  expect(other.phase).toBe('leased');
  expect(loans[0]?.outcome?.state).toBe('succeeded');
});

it('what is called back is told so again, for as long as others wait', () => {
  const worker = lending();
  const first = loan();
  const others = [request(), request()];
  expect(recalled()).toEqual(ids(first));
  const said = grid.effects.length;
  grid.pass(1500, [worker]);
  expect(recalled(said).length).toBeGreaterThanOrEqual(2);
  done(worker, first);
  const settled = grid.effects.length;
  expect(others.map(({ phase }) => phase)).toEqual(['leased', 'leased']);
  grid.pass(1500, [worker]);
  expect(recalled(settled)).toEqual([]);
});

it('it is called back when its machine drains, its model is another, or tasks wait for its place among attempts', () => {
  const worker = lending();
  const first = loan();
  ask('drain', { node: 'w-1', draining: true });
  expect(recalled()).toEqual(ids(first));
  ask('drain', { node: 'w-1', draining: false });
  done(worker, first);
  const second = loan();
  add({ replicas: { min: 1, max: 1 }, idleMs: 1 });
  expect(recalled()).toEqual(ids(first, second));

  beginGrid();
  const small = grid.worker('w-1', { ...serving, slots: 2 });
  add({ replicas: { min: 1, max: 1 } });
  ready(small);
  const third = loan();
  expect(recalled()).toEqual([]);
  request('', { kind: 'process', model: undefined, taskClass: 'make' });
  expect(recalled()).toEqual(ids(third));
});

it('who waits for its own limits, or for its next try, has its own called back, and of nobody else', () => {
  const named = new Map<PrincipalId, object>([['p-2' as PrincipalId, { running: 1 }]]);
  beginGrid(new CoreFixture(1, { everybody: {}, named }));
  const worker = lending();
  const failing = request('tiny', { retries: { limit: 1, backoffMs: 60_000 } });
  done(worker, failing, broken);
  expect(failing.notBefore).toBeGreaterThan(0);
  const others = loan();
  const full = grid.client('submitter', 'c2', 'p-2');
  const [first, second] = [1, 2].map((seq) => {
    const [accepted] = sent(grid.submit(full, seq, loaned), 'accepted');
    return grid.task(accepted?.task as number) as Task;
  }) as [Task, Task];
  expect([others.phase, first.phase, second.phase]).toEqual(['leased', 'leased', 'waiting']);
  expect(new Set(recalled())).toEqual(new Set([first.id]));
  const said = grid.effects.length;
  done(worker, first);
  expect([second.phase, recalled(said)]).toEqual(['leased', []]);
});

it('of who may submit so many a second no more is asked under one', () => {
  const everybody = { submitsPerSecond: 100 };
  beginGrid(new CoreFixture(1, { everybody, named: new Map<PrincipalId, object>() }));
  lending();
  const one = loan();
  expect(recalled()).toEqual(ids(one));
});
