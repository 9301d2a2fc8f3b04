import { encodeBody, type Failure, failure, type SessionId } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import type { BrokerEffect } from '../effects.ts';
import { heldOf } from './artifacts.ts';

const input = { digest: `sha256:${'a'.repeat(64)}`, bytes: 5 };
const output = { digest: `sha256:${'b'.repeat(64)}`, bytes: 6, path: '/out/x', copied: true };
const other = `sha256:${'c'.repeat(64)}`;

function grid() {
  const core = new CoreFixture();
  const worker = core.worker('w-1');
  const owner = core.client('submitter');
  core.submit(owner, 1, { inputs: [input] });
  return { core, worker, owner };
}

function answer(core: CoreFixture, session: SessionId, op: string, args: object): Failure | BrokerEffect {
  const effects = core.say(session, { kind: 'request', id: 9, op, args });
  const granted = effects.find(({ kind }) => kind === 'artifact');
  return granted ?? (sent(effects, 'reply')[0]?.failure as Failure);
}

describe('an artifact', () => {
  test('is had by the worker whose task is given it, and by who may read of the task', () => {
    const { core, worker, owner } = grid();
    const asked = { task: 1, artifact: input.digest };
    const granted = { kind: 'artifact', op: 'fetch', artifact: input.digest };
    expect(answer(core, worker, 'fetch', asked)).toMatchObject({ ...granted, session: worker, workers: [] });
    expect(answer(core, owner, 'fetch', asked)).toMatchObject(granted);
    expect(answer(core, core.client('viewer', 'c3'), 'fetch', asked)).toMatchObject(granted);
  });

  test('is not had by another worker, nor one that the task does not name', () => {
    const { core, worker } = grid();
    const elsewhere = core.worker('w-2', { name: 'bench' });
    // As if it were not there.
    const asked = { kind: 'request', id: 9, op: 'fetch', args: { task: 1, artifact: input.digest } } as const;
    expect(core.say(elsewhere, asked)).toMatchObject([{ kind: 'lookup', task: 1, onlyOf: 'p-w-2' }, {}]);
    expect(answer(core, worker, 'fetch', { task: 1, artifact: other })).toEqual(
      failure('rejected.not-found', `t1 is not given ${other}, and has not left it`),
    );
    expect(answer(core, worker, 'fetch', { task: 1, artifact: '../../etc/passwd' })).toMatchObject({
      code: 'rejected.invalid',
    });
  });

  test('that a task has left is told in its document, and had from its worker, too', () => {
    const { core, worker, owner } = grid();
    const outcome = encodeBody({ outputs: [output] });
    const ended = {
      kind: 'result',
      task: 1,
      attempt: 1,
      epoch: 1,
      exitCode: 0,
      failure: null,
      ranMs: 5,
      outcome,
    };
    core.say(worker, ended as never);
    const [shown] = sent(core.say(owner, { kind: 'request', id: 1, op: 'show', args: { task: 1 } }), 'reply');
    expect(shown?.result).toMatchObject({ outputs: [output] });
    expect(answer(core, owner, 'fetch', { task: 1, artifact: output.digest })).toMatchObject({
      workers: [{ endpoint: 'tcp://127.0.0.1:1', dataKey: 'k' }],
    });
  });

  describe('that another worker has', () => {
    const endpoint = (id: number) => `tcp://10.0.0.${id}:1`;
    const offers = {
      fields: ['outputs'],
      mounts: [],
      networks: ['none'],
      runtimes: [],
      root: false,
    } as const;
    const join = (core: CoreFixture, id: number) =>
      core.worker(`w-${id}`, { name: `m${id}`, dataEndpoint: endpoint(id), offers });
    const bound = (id: number) => ({ constraints: { worker: `m${id}`, labels: {} } });

    /** On the first worker's disk alone. */
    function left(): CoreFixture {
      const core = new CoreFixture();
      const first = join(core, 1);
      core.submit(core.client('submitter'), 1, { ...bound(1), needs: { fields: ['outputs'] } });
      const ended = { kind: 'result', task: 1, attempt: 1, epoch: 1, exitCode: 0, failure: null, ranMs: 5 };
      const outcome = encodeBody({ outputs: [{ ...output, copied: false }] });
      core.say(first, { ...ended, outcome } as never);
      return core;
    }

    /** A task on that worker that is given it. */
    function given(core: CoreFixture, id: number): { readonly worker: SessionId; readonly task: number } {
      const worker = join(core, id);
      const task = core.state.nextTask;
      core.submit(core.client('submitter', `c${task}`), 1, { ...bound(id), inputs: [output] });
      return { worker, task };
    }
    const asked = (task: number) => ({ task, artifact: output.digest });

    test('because its task left it, is had from there', () => {
      const core = left();
      const { worker, task } = given(core, 2);
      const places = { workers: [{ endpoint: endpoint(1), dataKey: 'k' }], away: [] };
      expect(answer(core, worker, 'fetch', asked(task))).toMatchObject(places);
    });

    test('is known to the next epoch, and named while that worker is away', () => {
      for (const throughSnapshot of [false, true]) {
        const core = left().restart(throughSnapshot);
        const { worker, task } = given(core, 2);
        expect(answer(core, worker, 'fetch', asked(task))).toMatchObject({ workers: [], away: ['m1'] });
      }
    });

    test('because its task is given it, is had from there first when that has begun', () => {
      const core = left();
      const second = given(core, 2);
      const third = given(core, 3);
      const asking = () => answer(core, third.worker, 'fetch', asked(third.task));
      expect(asking()).toMatchObject({ workers: [{ endpoint: endpoint(1) }] });
      core.say(second.worker, { kind: 'started', task: second.task, attempt: 1, epoch: 1 } as never);
      expect(asking()).toMatchObject({ workers: [{ endpoint: endpoint(2) }, { endpoint: endpoint(1) }] });
      expect(answer(core, second.worker, 'fetch', asked(second.task))).toMatchObject({
        workers: [{ endpoint: endpoint(1) }],
      });
    });
  });

  test('is brought by who may submit, and by a worker for a task it has', () => {
    const { core, worker, owner } = grid();
    const granted = { kind: 'artifact', op: 'store', artifact: other };
    const byOwner = answer(core, owner, 'store', { artifact: other });
    expect(byOwner).toMatchObject(granted);
    expect(byOwner).not.toHaveProperty('owner');
    // It is whose the task is.
    const byWorker = answer(core, worker, 'store', { artifact: other, task: 1 });
    expect(byWorker).toMatchObject({ ...granted, owner: 'p-1' });
    for (const args of [{ artifact: other }, { artifact: other, task: 2 }])
      expect(answer(core, worker, 'store', args)).toMatchObject({ code: 'rejected.forbidden' });
    expect(answer(core, core.client('viewer', 'c3'), 'store', { artifact: other })).toMatchObject({
      code: 'rejected.forbidden',
    });
  });

  test('is held while a task that is given it has not ended, over a restart', () => {
    const { core, worker } = grid();
    expect([...heldOf(core.restart(true).state, [input.digest, other])]).toEqual([input.digest]);
    core.result(worker, 1);
    for (const { state } of [core, core.restart(true)])
      expect([...heldOf(state, [input.digest])]).toEqual([]);
  });

  test('is held for an ephemeral task too, and until the last task that is given it has ended', () => {
    const { core, worker, owner } = grid();
    core.submit(owner, 2, { inputs: [input, { digest: other, bytes: 1 }], durable: false });
    const ephemeral = [...core.state.tasks.keys()].find((id) => id !== 1) as number;
    expect([...heldOf(core.state, [input.digest, other, output.digest])]).toEqual([input.digest, other]);
    core.result(worker, 1);
    expect([...heldOf(core.state, [input.digest, other])]).toEqual([input.digest, other]);
    core.result(worker, ephemeral);
    expect([...heldOf(core.state, [input.digest, other])]).toEqual([]);
  });
});
