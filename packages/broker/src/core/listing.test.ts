import type { TaskDocument } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';
import { addToShare } from './principals/shares.ts';

function ps(grid: CoreFixture, limit: number): TaskDocument[] {
  const asked = { kind: 'request', id: 1, op: 'ps', args: { limit } } as const;
  const [answer] = sent(grid.say(grid.client('viewer', 'v'), asked), 'reply');
  return answer?.result as TaskDocument[];
}

const ids = (rows: readonly TaskDocument[]) => rows.map(({ id }) => id);

test('of few tasks lists the newest first; of more than asked for those that run before those that wait', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.worker('w-1', { slots: 1 });
  for (let seq = 1; seq <= 5; seq += 1) grid.submit(client, seq);
  expect(ids(ps(grid, 100))).toEqual(['t5', 't4', 't3', 't2', 't1']);
  expect(ids(ps(grid, 3))).toEqual(['t5', 't4', 't1']);
});

test('among very many, what runs for long and what is ephemeral is listed too', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.worker('w-1', { slots: 1 });
  grid.submit(client, 1);
  const [task] = grid.state.tasks.values();
  if (task === undefined) throw new Error('no task');
  for (let id = 2; id <= 30_000; id += 1) {
    const made = { ...task, id: id as never, turn: id, phase: 'waiting', lease: null } as const;
    grid.state.tasks.set(made.id, made);
    addToShare(grid.state, made);
    grid.state.waiting.add(task.spec, made.id);
  }
  grid.state.nextTask = 30_001;
  grid.submit(client, 2, { durable: false });
  grid.submit(client, 3, { priority: 7 });
  // As many again have been accepted since, and have ended.
  grid.state.nextTask = 1_000_000;
  expect(ids(ps(grid, 5))).toEqual(['t30001', 'e1.1', 't30000', 't29999', 't1']);
});
