import { ephemeralTaskId, type TaskId } from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CoreFixture } from '../core.fixture.ts';
import type { Spec } from '../state.ts';
import { WaitingQueue } from './waiting-queue.ts';

const spec = { shapeKey: 'a', envelope: { priority: 0 } } as unknown as Spec;
const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => (from + n) as TaskId);

function firstOf(queue: WaitingQueue): TaskId | undefined {
  const [only] = queue.classes();
  return only && queue.first(only);
}

test('the first of a class is the lowest id that waits, whoever came and went in whatever order', () => {
  const moves = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3000 });
  fc.assert(
    fc.property(moves, (toggled) => {
      const queue = new WaitingQueue();
      const waits = new Set<number>();
      for (const id of toggled) {
        if (waits.delete(id)) queue.remove(spec, id as TaskId);
        else {
          waits.add(id);
          queue.add(spec, id as TaskId);
        }
        expect(queue.size).toBe(waits.size);
        expect(firstOf(queue)).toBe(waits.size === 0 ? undefined : Math.min(...waits));
      }
    }),
    { numRuns: 50 },
  );
});

test('what leaves from behind a first that cannot be placed is not kept in line', () => {
  const queue = new WaitingQueue();
  queue.add(spec, 1 as TaskId);
  for (const id of ids(2, 100_000)) {
    queue.add(spec, id);
    queue.remove(spec, id);
  }
  expect(queue.places).toBeLessThan(300);
  expect(firstOf(queue)).toBe(1);
});

test('thousands that come back to the front of a long line do not keep it long', () => {
  const queue = new WaitingQueue();
  for (const id of ids(1, 50_000)) queue.add(spec, id);
  for (const id of ids(1, 5000)) queue.remove(spec, id);
  for (const id of ids(1, 5000)) queue.add(spec, id);
  expect(queue.places).toBeLessThan(1.5 * 50_000);
  const left: (TaskId | undefined)[] = [];
  for (let id = firstOf(queue); id !== undefined; id = firstOf(queue)) {
    left.push(id);
    queue.remove(spec, id);
  }
  expect(left).toEqual(ids(1, 50_000));
  expect(queue.places).toBe(0);
});

test('a replay, which places nothing, keeps no line of those that were placed', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  grid.step({ kind: 'sessionClosed', session: grid.worker('w-9') });
  const client = grid.client();
  grid.submit(client, 1, { constraints: { worker: 'w-9', labels: {} } as never });
  for (let n = 2; n <= 500; n += 1) {
    grid.submit(client, n);
    grid.result(worker, n);
  }
  expect(grid.restart().state.waiting).toMatchObject({ size: 1, places: 1 });
});

test('an ephemeral task has its turn between the durable ones accepted before and after it', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  const image = (n: number) => ({ image: `i${n}`, kind: 'noop' }) as const;
  grid.submit(client, 1, image(1));
  grid.submit(client, 2, { ...image(2), durable: false });
  grid.submit(client, 3, { ...image(1), durable: false });
  grid.submit(client, 4, image(3));
  grid.worker();
  const leased = [...grid.state.tasks.values()].sort((a, b) => leaseSeq(a.id) - leaseSeq(b.id));
  const ephemeral = (n: number) => ephemeralTaskId(grid.state.epoch, n);
  expect(leased.map(({ id }) => id)).toEqual([1, ephemeral(1), ephemeral(2), 2]);

  function leaseSeq(id: TaskId): number {
    return grid.task(id)?.lease?.leaseSeq ?? 0;
  }
});
