/** Copies of shards: begun by the broker, brought again after changes, and asked where the owner is away. */
import type { TaskId, WorkerId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import { bodyOf, digest, left, PlayedCopies } from './copies.fixture.ts';

let played: PlayedCopies;
beforeEach(() => {
  played = new PlayedCopies();
});

describe('a copy', () => {
  it('is begun where there is none, by the broker’s own tasks: one makes it, one takes it', () => {
    played.hello('w-1', 'w-2', 'w-3');
    played.place({ replicas: 1 });
    played.rest();
    // Nothing was ever brought.
    expect(played.opsNow()).toEqual([]);
    played.has('w-1', 1);
    played.rest();
    expect(played.opsNow()).toEqual([['copy', 'w-1']]);
    const [made] = played.carrying();
    expect(bodyOf(made?.task as Task)).toMatchObject({ receivers: ['w-2'.padEnd(43, 'k')] });
    played.end(left);
    played.rest(500);
    expect(played.opsNow()).toEqual([['follow', 'w-2']]);
    const [taken] = played.carrying();
    expect(taken?.task.spec.envelope.inputs).toEqual([{ digest, bytes: 7 }]);
    const lease = played.grid.effects.findLast((effect) => effect.kind === 'lease');
    expect(lease).toMatchObject({
      shard: { index: 0, of: 1, epoch: 1, copies: { version: 1, base: null, isCopy: true, byBroker: true } },
    });
    played.has('w-2', 1, { isCopy: true });
    played.end();
    expect(played.copiesNow()).toEqual([['w-2', 1]]);
    played.rest(10_000);
    expect(played.opsNow()).toEqual([]);
  });

  it('is brought again when something has changed and rested, and is behind until then', () => {
    played.copied();
    played.has('w-1', 2);
    played.rest(500);
    played.has('w-1', 3);
    played.rest(500);
    expect(played.opsNow()).toEqual([]);
    expect(played.now()).toMatchObject({ version: 3, copies: [{ worker: 'w-2', version: 1 }] });
    played.rest(20_000);
    expect(played.opsNow()).toEqual([['copy', 'w-1']]);
  });

  it('that fails is tried again, later each time', () => {
    played.hello('w-1', 'w-2');
    played.place({ replicas: 1 });
    played.has('w-1', 1);
    played.rest();
    const why = { code: 'execution.exit', message: 'the disk is full' } as const;
    const begun: TaskId[] = [];
    for (let passed = 0; passed < 20_000; passed += 500) {
      for (const { task } of played.carrying()) begun.push(task.id);
      played.end({}, why);
      played.rest(500);
    }
    expect(begun.length).toBeGreaterThan(2);
    expect(begun.length).toBeLessThan(8);
  });

  it('that nobody wants any more is let go, where it is', () => {
    played.copied();
    played.place({ replicas: 0 });
    played.rest(1000);
    expect(played.opsNow()).toEqual([['letGo', 'w-2']]);
    played.has('w-2', 0, { isCopy: true, isGone: true });
    played.end();
    played.rest(5000);
    expect(played.opsNow()).toEqual([]);
    expect(played.copiesNow()).toEqual([]);
  });

  it('is on no machine that has not said that it can, and on another when its machine is removed', () => {
    played.hello('w-1');
    played.place({ replicas: 2 });
    played.helloOld('w-0');
    played.hello('w-2');
    played.rest(500);
    expect(played.copiesNow()).toEqual([['w-2', 0]]);
    played.hello('w-3');
    played.rest(500);
    expect(played.copiesNow()?.map(([worker]) => worker)).toEqual(['w-2', 'w-3']);
    played.ask('removeNode', { node: 'w-3' });
    played.hello('w-4');
    played.rest(500);
    expect(played.copiesNow()?.map(([worker]) => worker)).toEqual(['w-2', 'w-4']);
  });

  it('that says to be ahead of its owner is not believed', () => {
    played.copied(3);
    played.has('w-2', 9, { isCopy: true });
    expect(played.copiesNow()).toEqual([['w-2', 3]]);
    played.has('w-2', 1, { isCopy: true, epoch: 7 });
    expect(played.copiesNow()).toEqual([['w-2', 3]]);
    // A broker that was restored knows less than was: who could tell is away.
    played.bye('w-1');
    played.has('w-2', 9, { isCopy: true });
    expect(played.copiesNow()).toEqual([['w-2', 9]]);
  });

  it('that nobody knows of is not let go while its owner is away, and is the first to be one again', () => {
    played.copied(3);
    played.place({ replicas: 0 });
    played.bye('w-1');
    played.hello('w-0');
    played.rest();
    expect(played.opsNow()).toEqual([]);
    played.place({ replicas: 1 });
    expect(played.copiesNow()).toEqual([['w-2', 0]]);
    played.rest(500);
    expect(played.copiesNow()).toEqual([['w-2', 3]]);
  });

  it('is given to whom it can be opened by, and to who is chosen since with the next', () => {
    played.hello('w-1', 'w-2');
    played.place({ replicas: 1 });
    played.has('w-1', 1);
    played.rest();
    played.hello('w-3');
    played.place({ replicas: 2 });
    played.end(left);
    played.rest(500);
    expect(played.opsNow()).toEqual([['follow', 'w-2']]);
    played.has('w-2', 1, { isCopy: true });
    played.end();
    played.rest(20_000);
    expect(played.opsNow()).toEqual([['copy', 'w-1']]);
  });

  it('that takes long to be made is made the less often', () => {
    played.hello('w-1', 'w-2');
    played.place({ replicas: 1 });
    played.has('w-1', 1);
    played.rest();
    played.rest(10_000);
    played.end(left);
    played.rest(500);
    played.has('w-2', 1, { isCopy: true });
    played.end();
    played.has('w-1', 2);
    played.rest(60_000);
    expect(played.opsNow()).toEqual([]);
    played.rest(60_000);
    expect(played.opsNow()).toEqual([['copy', 'w-1']]);
  });

  it('is none where a machine says nothing of it any more, and is brought again', () => {
    played.copied(3);
    played.hasNothing('w-2');
    expect(played.copiesNow()).toEqual([['w-2', 0]]);
    played.rest(20_000);
    expect(played.opsNow()).toEqual([['copy', 'w-1']]);
  });

  it('stays where it is whole, when there are to be fewer', () => {
    played.copied(3);
    played.hello('w-3');
    played.place({ replicas: 2 });
    played.document('moveShard', { name: 'docs', index: 0, epoch: 1, to: 'w-2' });
    played.has('w-3', 3, { isCopy: true });
    expect(played.copiesNow()).toEqual([
      ['w-3', 0],
      ['w-1', 0],
    ]);
    played.place({ replicas: 1 });
    const shard = played.grid.state.collections.known.get('docs')?.shards[0];
    expect(shard?.copies).toEqual([{ worker: 'w-3', epoch: 1, version: 3 }]);
  });

  it('is as many as who began the collection says, or an admin', () => {
    played.hello('w-1');
    played.place();
    const other = played.grid.client('submitter', 'c2', 'p-2');
    const [reply] = sent(
      played.grid.say(other, {
        kind: 'request',
        id: 1,
        op: 'placeCollection',
        args: { name: 'docs', replicas: 1 },
      }),
      'reply',
    );
    expect(reply?.failure?.code).toBe('rejected.forbidden');
  });
});

describe('a question to any', () => {
  const question = {
    kind: 'retrieve' as const,
    durable: false,
    shard: { collection: 'docs', index: 0, at: 'any' as const },
  };
  const holders = () =>
    ['w-1', 'w-2'].filter((id) =>
      played.grid.state.workers.get(id as WorkerId)?.view.shards.has('docs 0 any'),
    );

  it('goes to a copy that has the same, and to no other while the owner is there', () => {
    played.copied();
    expect(holders()).toEqual(['w-1', 'w-2']);
    played.has('w-1', 2);
    expect(holders()).toEqual(['w-1']);
  });

  it('goes to what is there while the owner is away, and the lease says how far that is behind', () => {
    played.copied();
    played.has('w-1', 2);
    played.bye('w-1');
    played.rest(1000);
    expect(holders()).toEqual(['w-1', 'w-2']);
    const task = played.submit(1, question);
    expect(task.lease?.worker).toBe('w-2');
    const lease = played.grid.effects.findLast((effect) => effect.kind === 'lease');
    expect(lease).toMatchObject({
      shard: { epoch: 1, copies: { version: 2, isCopy: true, byBroker: false } },
    });
  });

  it('does not go where the first copy is not whole yet', () => {
    played.hello('w-1', 'w-2');
    played.place({ replicas: 1 });
    played.has('w-1', 1);
    played.bye('w-1');
    played.rest(1000);
    const task = played.submit(1, question);
    expect(task.lease).toBeNull();
    expect(explainDocument(played.grid.state, task, played.grid.wall).decision).toContain(
      'by no copy that is',
    );
  });
});
