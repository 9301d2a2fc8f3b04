import { type Failure, failure, type SessionId, type WorkerReport } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import type { BrokerEffect } from '../effects.ts';

const offers: Partial<WorkerReport> = { name: 'anvil', transfers: ['exec'] };

/** A container that runs, of principal p-1. */
function running(report = offers, kind: 'container' | 'process' = 'container') {
  const grid = new CoreFixture();
  const worker = grid.worker('w-1', report);
  const owner = grid.client('submitter');
  grid.submit(owner, 1, { kind, retries: { limit: 1, backoffMs: 1000 } });
  grid.say(worker, { kind: 'started', task: 1, attempt: 1, epoch: 1 } as never);
  return { grid, worker, owner };
}

function ask(grid: CoreFixture, session: SessionId, op = 'exec', task = 1): Failure | BrokerEffect {
  return answerTo(grid, session, op, { task });
}

function answerTo(grid: CoreFixture, session: SessionId, op: string, args: object): Failure | BrokerEffect {
  const effects = grid.say(session, { kind: 'request', id: 9, op, args });
  const grant = effects.find(({ kind }) => kind === 'grant');
  const [refusal] = sent(effects, 'reply');
  if (grant === undefined) return refusal?.failure as Failure;
  expect(refusal).toBeUndefined();
  return grant;
}

describe('exec', () => {
  test('is granted to who submitted the task and to admins', () => {
    const { grid, owner } = running();
    const granted = {
      kind: 'grant',
      op: 'exec',
      about: { task: 1, attempt: 1, worker: 'w-1' },
      endpoint: 'tcp://127.0.0.1:1',
    };
    expect(ask(grid, owner)).toMatchObject({ ...granted, session: owner });
    expect(ask(grid, grid.client('admin', 'c2', 'p-2'))).toMatchObject(granted);
  });

  test('is refused to everybody else, and counted', () => {
    const { grid } = running();
    const stranger = grid.client('submitter', 'c2', 'p-2');
    const asked = grid.say(stranger, { kind: 'request', id: 9, op: 'exec', args: { task: 1 } });
    expect(asked).toMatchObject([{ kind: 'lookup', task: 1, onlyOf: 'p-2' }, {}]);
    expect(ask(grid, grid.client('viewer', 'c3'))).toEqual(
      failure('rejected.forbidden', 'role viewer may not exec'),
    );
    expect(grid.state.counters.forbidden).toBe(1);
  });

  test.each<[string, (at: ReturnType<typeof running>) => void, string]>([
    [
      'waits',
      ({ grid, worker }) => grid.result(worker, 1, 1, failure('execution.exit', 'x')),
      't1 is not running (waiting)',
    ],
    ['has ended', ({ grid, worker }) => grid.result(worker, 1), 't1 is not running (succeeded)'],
  ])('enters no task that %s', (_, change, words) => {
    const at = running();
    change(at);
    expect(ask(at.grid, at.owner)).toEqual(failure('rejected.state', `${words}: exec enters tasks that run`));
  });

  test('enters no task that has been leased and not yet started', () => {
    const grid = new CoreFixture();
    grid.worker('w-1', offers);
    const owner = grid.client('submitter');
    grid.submit(owner, 1, { kind: 'container' });
    expect(ask(grid, owner)).toMatchObject({
      message: expect.stringContaining('t1 is not running (leased)'),
    });
  });

  test('enters no processes', () => {
    const { grid, owner } = running(offers, 'process');
    expect(ask(grid, owner)).toEqual(
      failure('rejected.state', 't1 is a task of kind process: exec enters containers'),
    );
  });

  test('is refused where the worker is of a version that does not know it, or is away', () => {
    const older = running({ name: 'anvil' });
    expect(ask(older.grid, older.owner)).toEqual(
      failure('rejected.state', 'anvil does not offer exec: grid 0.1.0 runs there'),
    );
    const { grid, worker, owner } = running();
    grid.step({ kind: 'sessionClosed', session: worker });
    expect(ask(grid, owner)).toEqual(
      failure('lost.worker', 'the task is on anvil, which is not connected now'),
    );
  });

  test('of a task that only the history knows is looked up there', () => {
    const { grid, owner } = running();
    const effects = grid.say(owner, { kind: 'request', id: 9, op: 'exec', args: { task: 77 } });
    expect(effects).toMatchObject([{ kind: 'lookup', task: 77, answer: { op: 'exec' } }, {}]);
  });
});

test('a log is granted to viewers, wherever it is, and only of what has run', () => {
  const { grid, worker } = running({ name: 'anvil' });
  const viewer = grid.client('viewer', 'c3', 'p-3');
  expect(ask(grid, viewer, 'logs')).toMatchObject({ kind: 'grant', op: 'logs', about: { attempt: 1 } });
  grid.step({ kind: 'sessionClosed', session: worker });
  expect(ask(grid, viewer, 'logs')).toEqual(
    failure('lost.worker', 'the log is on anvil, which is not connected now'),
  );
  grid.submit(grid.client('admin', 'c9'), 1, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
  expect(ask(grid, viewer, 'logs', 2)).toEqual(failure('rejected.state', 't2 has not run, so it has no log'));
});

describe('an image', () => {
  const takes: Partial<WorkerReport> = { name: 'anvil', transfers: ['image'] };
  const push = (grid: CoreFixture, session: SessionId, node = 'anvil') =>
    answerTo(grid, session, 'pushImage', { node });

  test('may be brought to a worker that takes them by whoever may submit', () => {
    const grid = new CoreFixture();
    grid.worker('w-1', takes);
    const granted = { kind: 'grant', op: 'image', about: { worker: 'w-1' }, endpoint: 'tcp://127.0.0.1:1' };
    expect(push(grid, grid.client('submitter'))).toMatchObject(granted);
    expect(push(grid, grid.client('admin', 'c2'), 'w-1')).toMatchObject(granted);
    expect(push(grid, grid.client('viewer', 'c3'))).toEqual(
      failure('rejected.forbidden', 'role viewer may not pushImage'),
    );
  });

  test('is refused for a worker that takes none, is away, or is none', () => {
    const grid = new CoreFixture();
    grid.worker('w-1', { name: 'anvil', transfers: ['exec'] });
    const owner = grid.client('submitter');
    expect(push(grid, owner)).toMatchObject({
      code: 'rejected.state',
      message: expect.stringContaining('anvil takes no pushed images'),
    });
    expect(push(grid, owner, 'forge')).toMatchObject({ code: 'rejected.not-found' });
    const other = new CoreFixture();
    const worker = other.worker('w-1', takes);
    other.step({ kind: 'sessionClosed', session: worker });
    expect(push(other, other.client('submitter'))).toEqual(
      failure('lost.worker', 'no image reaches anvil, which is not connected now'),
    );
  });
});

describe('a log that is kept beside the broker', () => {
  const away = failure('lost.worker', 'the log is on anvil, which is not connected now');
  const kept = { task: 1, kept: true };

  test('may be had when its worker is away, or was removed, by who knows how to read it there', () => {
    const { grid, worker, owner } = running();
    const granted = { op: 'logs', about: { task: 1, attempt: 1, worker: 'w-1' }, orElse: away, kept: true };
    expect(answerTo(grid, owner, 'logs', kept)).toMatchObject({ ...granted, endpoint: 'tcp://127.0.0.1:1' });
    expect(answerTo(grid, owner, 'logs', { task: 1 })).toMatchObject({ kept: false });
    grid.result(worker, 1);
    grid.step({ kind: 'sessionClosed', session: worker });
    expect(answerTo(grid, owner, 'logs', { task: 1 })).toEqual(away);
    expect(answerTo(grid, owner, 'logs', kept)).toMatchObject({ ...granted, endpoint: '' });
    grid.say(grid.client('admin', 'c2'), {
      kind: 'request',
      id: 3,
      op: 'removeNode',
      args: { node: 'anvil' },
    });
    expect(answerTo(grid, owner, 'logs', kept)).toMatchObject({ ...granted, endpoint: '' });
  });

  test('is none of an ephemeral task', () => {
    const { grid, worker, owner } = running();
    grid.submit(owner, 2, { durable: false });
    const [ephemeral = 0] = [...grid.state.tasks.keys()].filter((id) => id !== 1);
    grid.result(worker, ephemeral);
    grid.step({ kind: 'sessionClosed', session: worker });
    expect(answerTo(grid, owner, 'logs', { task: ephemeral, kept: true })).toEqual(away);
  });

  test('is brought by workers alone', () => {
    const { grid, worker } = running();
    const ask = { kind: 'request', id: 9, op: 'keepLogs', args: {} } as const;
    expect(grid.say(worker, ask)).toMatchObject([
      { kind: 'besideGrant', op: 'keepLogs', worker: 'w-1', request: 9 },
      {},
    ]);
    for (const role of ['viewer', 'submitter', 'admin'] as const)
      expect(sent(grid.say(grid.client(role, role), ask), 'reply')[0]?.failure).toMatchObject({
        code: 'rejected.forbidden',
      });
  });
});
