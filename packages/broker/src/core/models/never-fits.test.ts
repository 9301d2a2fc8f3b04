/** Models that no machine could hold: who asks is refused at once, for as long as there is none (E34). */
import type { ModelPlanDocument } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import { sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import {
  add,
  admin,
  ask,
  beginGrid,
  gpu,
  grid,
  instances,
  model,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB, modelSpec } from './models.fixture.ts';

beforeEach(() => beginGrid());

const small = { ...serving, memoryBytes: 150 * MiB };
const submit = (seq: number) =>
  sent(
    grid.submit(admin, seq, {
      ...{ kind: 'infer', model: 'tiny', durable: false, taskClass: 'infer tiny' },
      resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
    }),
    'refused',
  )[0]?.failure;

it('refuses who asks, with numbers of each machine', () => {
  grid.worker('w-1', small);
  grid.worker('w-2', { ...small, devices: [gpu('GPU-small', 64)] });
  add({}, 60);
  const refusal = submit(1);
  expect(refusal?.code).toBe('rejected.impossible');
  const words = refusal?.message;
  expect(words).toMatch(
    /^no machine of this grid could hold tiny, of 64 MiB with a context of 2 × 256 tokens/,
  );
  expect(words).toMatch(
    /w-2 has 150 MiB of memory, 64 MiB on GPU-small: .*251.2 MiB asked.*; w-1 has 150 MiB/,
  );
  expect(instances()).toEqual([]);
  expect(model()).toMatchObject({ isImpossible: true, trouble: words, waiting: 0 });
});

it('ends who waits when the machine that could is removed; a durable task waits on, and says for what', () => {
  const large = grid.worker('w-1', { ...serving, foreignBytes: 900 * MiB });
  grid.worker('w-2', small);
  add({}, 60);
  const [first, kept] = [request(), request('tiny', { durable: true })];
  grid.pass(2000, [large]);
  expect([first.phase, kept.phase]).toEqual(['waiting', 'waiting']);
  ask('removeNode', { node: 'w-1' });
  grid.pass(2000);
  expect(first.outcome).toMatchObject({ state: 'failed', failure: { code: 'rejected.impossible' } });
  expect(kept.phase).toBe('waiting');
  expect(explainDocument(grid.state, kept, grid.wall).decision).toMatch(
    /^waits: no machine of this grid could/,
  );
});

it('is taken as soon as a machine comes that holds it, and waits while that is full', () => {
  grid.worker('w-1', small);
  add({}, 60);
  expect(submit(2)).toMatchObject({ code: 'rejected.impossible' });
  grid.worker('w-2', { ...serving, foreignBytes: 900 * MiB });
  grid.pass(2000);
  expect(submit(3)).toBeUndefined();
  expect(model()).toMatchObject({ trouble: '', waiting: 1, instances: [] });
  expect(model().isImpossible).toBeUndefined();
});

it('is judged of no grid of which a machine has not been heard', () => {
  const away = grid.worker('w-2', serving);
  grid.worker('w-1', small);
  add({}, 60);
  grid.step({ kind: 'sessionClosed', session: away });
  expect(request().phase).toBe('waiting');
});

it('is told of each machine by its plan: what it lacks now, and what it would lack with nothing there', () => {
  grid.worker('w-1', { ...small, memoryBytes: 100 * MiB });
  grid.worker('w-2', { ...serving, foreignBytes: 900 * MiB });
  const { description, serving: asked } = modelSpec({}, 60);
  const { workers } = ask('planModel', { description, serving: asked }) as ModelPlanDocument;
  expect(workers).toMatchObject([
    { name: 'w-1', kind: 'no', whenEmpty: { kind: 'no' } },
    { name: 'w-2', kind: 'no', whenEmpty: { kind: 'host' } },
  ]);
});
