import { type ExplainDocument, limits } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';

const tooMuch = { resources: { cpuMilli: 64_000, memoryBytes: 0, diskBytes: 0 } };

function refuse(grid: CoreFixture, session = grid.client(), seq = 1) {
  const message = sent(grid.submit(session, seq, tooMuch), 'refused')[0]?.failure.message ?? '';
  return { message, id: /grid explain (r\S+)"/.exec(message)?.[1] };
}

function explain(grid: CoreFixture, refusal = '', session = grid.client('viewer', 'v')) {
  const [answer] = sent(
    grid.say(session, { kind: 'request', id: 1, op: 'explain', args: { refusal } }),
    'reply',
  );
  return answer;
}

test('an impossible submission is refused with the id of its explanation, which names each worker', () => {
  const grid = new CoreFixture();
  grid.worker('w-1', { name: 'anvil' });
  grid.worker('w-2', { name: 'brand' });
  const { id, message } = refuse(grid);
  expect(id).toBe('r1.1');
  const document = explain(grid, id)?.result as ExplainDocument;
  expect(document).toMatchObject({ id, state: 'refused', when: 'refused' });
  expect(message).toContain(document.decision.replace('refused: ', ''));
  expect(document.workers).toMatchObject([
    { name: 'anvil', feasible: false, reasons: [expect.stringContaining('64 asked')] },
    { name: 'brand', feasible: false, reasons: [expect.stringContaining('64 asked')] },
  ]);
});

test('a repeat of it is refused under the same id', () => {
  const grid = new CoreFixture();
  grid.worker();
  const client = grid.client();
  const first = refuse(grid, client);
  expect(first.id).toBe('r1.1');
  expect(refuse(grid, client)).toEqual(first);
});

test('the oldest are forgotten, and all of them at a restart, and it says so', () => {
  const grid = new CoreFixture();
  grid.worker();
  const client = grid.client();
  const ids = Array.from(
    { length: limits.explainedRefusals + 1 },
    (_, seq) => refuse(grid, client, seq + 1).id,
  );
  expect(explain(grid, ids[0])?.failure).toMatchObject({
    code: 'rejected.not-found',
    message: expect.stringContaining('no refusal r1.1 is remembered'),
  });
  expect(explain(grid, ids[1])?.failure).toBeNull();
  const next = grid.restart();
  expect(explain(next, ids.at(-1))?.failure?.message).toContain('until it restarts');
  next.worker();
  expect(refuse(next).id).toBe('r2.1');
});

test('many at once on a large grid cost a bounded time: the rest are refused without an id', () => {
  const grid = new CoreFixture();
  for (let n = 0; n < 100; n += 1) grid.worker(`w-${n}`);
  const client = grid.client();
  const ids = Array.from({ length: 60 }, (_, seq) => refuse(grid, client, seq + 1).id);
  expect(ids.filter((id) => id !== undefined)).toHaveLength(40);
});
