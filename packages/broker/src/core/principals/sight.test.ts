/** Whose work a session sees (roles.ts): another's is as if it were not there, whatever is asked. */
import type { requestSchemas } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { brokenInvariants } from '../invariants.ts';

/** t1 runs and t2 has ended, both of p-1; `never` is no task's number. */
function grid() {
  const made = new CoreFixture();
  const worker = made.worker('w-1', { transfers: ['exec'] });
  const owner = made.client('submitter', 'c1', 'p-1');
  made.submit(owner, 1, { kind: 'container' });
  made.say(worker, { kind: 'started', task: 1, attempt: 1, epoch: 1 } as never);
  made.submit(owner, 2);
  made.result(worker, 2);
  return { made, owner, worker, stranger: made.client('submitter', 'c2', 'p-2') };
}

const ofTasks = ['show', 'explain', 'logs', 'exec', 'spec', 'cancel'] as const;
const never = 77;

describe.each(ofTasks)('%s', (op) => {
  test.each([1, 2])('of another’s t%i is what it is of a task that never was', (task) => {
    const { made, stranger } = grid();
    const ask = (id: number) => {
      const effects = made.say(stranger, { kind: 'request', id: 1, op, args: { task: id } });
      return JSON.stringify(effects).replaceAll(`"task":${id}`, '"task":0');
    };
    const before = JSON.stringify(made.task(task));
    expect(ask(task)).toBe(ask(never));
    expect(ask(task)).toContain('"onlyOf":"p-2"');
    expect(JSON.stringify(made.task(task))).toBe(before);
  });

  test.each([1, 2])('of another’s t%i is so in a stall, too', (task) => {
    const { made, stranger } = grid();
    made.say(made.client('admin', 'c3', 'p-3'), { kind: 'request', id: 1, op: 'cancel', args: { task } });
    made.step({ kind: 'journalStalled', stalled: true });
    const ask = (id: number) =>
      sent(made.say(stranger, { kind: 'request', id: 1, op, args: { task: id } }), 'reply');
    expect(ask(task)).toEqual(ask(never));
  });

  test('is answered to its owner', () => {
    const { made, owner } = grid();
    const effects = made.say(owner, { kind: 'request', id: 1, op, args: { task: 1 } });
    expect(effects.some(({ kind }) => kind === 'lookup')).toBe(false);
  });
});

test('a watch of another’s task is one of none, and hears nothing', () => {
  const { made, stranger, worker } = grid();
  const watch = (tasks: number[]) => made.say(stranger, { kind: 'watch', tasks, progress: true } as never);
  expect(watch([1, 2, never])).toMatchObject(
    [1, 2, never].map((task) => ({ kind: 'lookup', task, onlyOf: 'p-2' })).concat([{} as never]),
  );
  const effects = made.result(worker, 1);
  expect(effects.filter((effect) => effect.kind === 'send' && effect.session === stranger)).toEqual([]);
});

test('lists, machines and refusals show one’s own alone', () => {
  const { made, owner, stranger } = grid();
  const ask = (session: typeof owner, op: keyof typeof requestSchemas, args: object = {}) =>
    sent(made.say(session, { kind: 'request', id: 1, op, args }), 'reply')[0];
  const idsOf = (session: typeof owner, args: object) =>
    (ask(session, 'ps', args)?.result as { id: string }[] | undefined)?.map(({ id }) => id);
  expect(idsOf(owner, {})).toEqual(['t1']);
  expect(idsOf(stranger, {})).toEqual([]);
  expect(made.say(stranger, { kind: 'request', id: 1, op: 'ps', args: { all: true } })).toMatchObject([
    { kind: 'history', recent: [], onlyOf: 'p-2' },
    {},
  ]);
  const tasksAt = (session: typeof owner) =>
    (ask(session, 'nodes')?.result as { tasks: string[] }[] | undefined)?.[0]?.tasks;
  expect([tasksAt(owner), tasksAt(stranger)]).toEqual([['t1'], []]);
  expect(tasksAt(made.client('viewer', 'c4', 'p-4'))).toEqual(['t1']);
  made.submit(owner, 4, { resources: { cpuMilli: 9_000_000, memoryBytes: 0, diskBytes: 0 } });
  expect(ask(owner, 'explain', { refusal: 'r1.1' })?.failure).toBeNull();
  expect(ask(stranger, 'explain', { refusal: 'r1.1' })?.failure?.code).toBe('rejected.not-found');
  expect(brokenInvariants(made.state)).toEqual([]);
});

test('who has few tasks sees them all among very many of others', () => {
  const { made, stranger } = grid();
  made.submit(stranger, 1, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
  const crowd = made.client('submitter', 'c5', 'p-5');
  for (let seq = 1; seq <= 150; seq += 1)
    made.submit(crowd, seq, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
  const listed = made.say(stranger, { kind: 'request', id: 1, op: 'ps', args: { limit: 5 } });
  expect(sent(listed, 'reply')[0]?.result).toMatchObject([{ principal: 'p-2' }]);
});
