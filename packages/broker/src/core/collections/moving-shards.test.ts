/** Whose copy takes the place of a shard's owner: when that was removed, or an admin says so, and never by itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CoreFixture } from '../core.fixture.ts';
import { apply } from '../record/apply.ts';
import { left, PlayedCopies } from './copies.fixture.ts';

let played: PlayedCopies;
beforeEach(() => {
  played = new PlayedCopies();
});

describe('who takes the place of the owner', () => {
  it('is nobody while it is away, and its best copy when it is removed', () => {
    played.copied(4);
    played.bye('w-1');
    played.rest(60_000);
    expect(played.now()).toMatchObject({ worker: 'w-1', epoch: 1 });
    played.ask('removeNode', { node: 'w-1' });
    expect(played.now()).toMatchObject({ worker: 'w-2', epoch: 2, version: 4, copies: [] });
    expect(played.now()).not.toHaveProperty('lost');
    const task = played.submit(1);
    expect(task.lease?.worker).toBe('w-2');
    const lease = played.grid.effects.findLast((effect) => effect.kind === 'lease');
    expect(lease).toMatchObject({
      shard: { epoch: 2, copies: { base: { epoch: 1, version: 4 }, isCopy: false } },
    });
  });

  it('may be who has more than an owner whose files are a backup’s: no version is of two contents', () => {
    played.copied(4);
    played.has('w-1', 2);
    expect(played.now()).toMatchObject({ worker: 'w-1', version: 4 });
    played.document('moveShard', { name: 'docs', index: 0, epoch: 1 });
    expect(played.now()).toMatchObject({ worker: 'w-2', epoch: 2, version: 4 });
    expect(played.now()).not.toHaveProperty('lost');
  });

  it('is taken, by an admin’s order, of one that says to have less than it had: until then the record says what is lost', () => {
    played.copied(4);
    played.hasNothing('w-1');
    expect(played.now()).toMatchObject({ worker: 'w-1', version: 4, lost: 4 });
    const [docs] = played.document('moveShard', { name: 'docs', index: 0, epoch: 1 }).shards;
    expect(docs).toMatchObject({ worker: 'w-2', epoch: 2, version: 4 });
    expect(docs).not.toHaveProperty('lost');
    // What it was chosen for is a backup's.
    played.has('w-2', 3, { isCopy: true });
    expect(played.now()).toMatchObject({ worker: 'w-2', lost: 4 });
  });

  it('begins anew where there is no copy, and the record says that it does', () => {
    played.hello('w-1', 'w-2');
    played.place();
    played.has('w-1', 4);
    played.ask('removeNode', { node: 'w-1' });
    played.place();
    expect(played.now()).toMatchObject({ worker: 'w-2', epoch: 2, version: 0, lost: 4 });
    const after = played.grid.restart(false);
    expect([...after.state.collections.known]).toEqual([...played.grid.state.collections.known]);
  });

  it('has an epoch that nobody had in a time which a restored broker does not know', () => {
    played.copied(4);
    const restored = new CoreFixture(1_795_000_000);
    for (const [, decision] of played.grid.groups) apply(restored.state, restored.state.epoch, decision);
    const asked = {
      kind: 'request',
      id: 1,
      op: 'moveShard',
      args: { name: 'docs', index: 0, epoch: 1 },
    } as const;
    restored.say(restored.client(), asked);
    expect(restored.state.collections.known.get('docs')?.shards[0]).toMatchObject({
      worker: 'w-2',
      epoch: 1_795_000_000,
    });
  });

  it('is told to lack what it lacks', () => {
    played.copied(4);
    played.has('w-1', 6);
    played.ask('removeNode', { node: 'w-1' });
    expect(played.now()).toMatchObject({ worker: 'w-2', epoch: 2, version: 4, lost: 6 });
  });

  it('is who an admin says; what was leased to the former owner is done by the next', () => {
    played.copied(4);
    const task = played.submit(1);
    expect(task.lease?.worker).toBe('w-1');
    const moved = played.document('moveShard', { name: 'docs', index: 0, epoch: 1 });
    expect(moved.shards[0]).toMatchObject({
      worker: 'w-2',
      epoch: 2,
      copies: [{ worker: 'w-1', version: 0 }],
    });
    expect(task.lease?.worker).toBe('w-2');
    // Asked again, as a client does that was not answered.
    const again = played.document('moveShard', { name: 'docs', index: 0, epoch: 1 });
    expect(again.shards[0]).toMatchObject({ worker: 'w-2', epoch: 2 });
    // The former owner follows.
    played.has('w-2', 5, { epoch: 2 });
    played.end(left);
    played.rest();
    expect(played.opsNow()).toContainEqual(['copy', 'w-2']);
  });

  it('is no copy that lacks what was acknowledged, unless that is said', () => {
    played.copied(4);
    played.has('w-1', 5);
    played.bye('w-1');
    const refused = played.ask('moveShard', { name: 'docs', index: 0, epoch: 1, to: 'w-2' });
    expect(refused.failure).toMatchObject({
      code: 'rejected.state',
      message: expect.stringContaining('--anyway'),
    });
    expect(played.now()).toMatchObject({ worker: 'w-1', epoch: 1 });
    const moved = played.document('moveShard', { name: 'docs', index: 0, epoch: 1, to: 'w-2', anyway: true });
    expect(moved.shards[0]).toMatchObject({ worker: 'w-2', epoch: 2, lost: 5 });
  });

  it('is nobody who has no whole copy', () => {
    played.hello('w-1', 'w-2');
    played.place({ replicas: 1 });
    played.has('w-1', 1);
    expect(played.ask('moveShard', { name: 'docs', index: 0, epoch: 1 }).failure?.message).toContain(
      'no whole copy',
    );
    expect(played.ask('moveShard', { name: 'docs', index: 3, epoch: 1 }).failure?.code).toBe(
      'rejected.not-found',
    );
    expect(
      played.document('moveShard', { name: 'docs', index: 0, epoch: 1, to: 'w-1' }).shards[0],
    ).toMatchObject({
      epoch: 1,
    });
  });

  it('stays so when the former one is back: it is asked to follow, and is nobody’s owner', () => {
    played.copied(4);
    played.bye('w-1');
    played.document('moveShard', { name: 'docs', index: 0, epoch: 1 });
    played.hello('w-1');
    expect(played.now()).toMatchObject({ worker: 'w-2', epoch: 2 });
    expect(played.submit(1).lease?.worker).toBe('w-2');
  });
});

it.each([false, true])('all of it is the same to those who replay; by a snapshot: %s', (bySnapshot) => {
  played.copied(4);
  played.has('w-1', 5);
  played.document('moveShard', { name: 'docs', index: 0, epoch: 1, to: 'w-2', anyway: true });
  const after = played.grid.restart(bySnapshot);
  expect([...after.state.collections.known]).toEqual([...played.grid.state.collections.known]);
});
