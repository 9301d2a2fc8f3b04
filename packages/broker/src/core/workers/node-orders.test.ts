import { failure, type SessionId, type WorkerId } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';

function drain(grid: CoreFixture, session: SessionId, id: number, draining: boolean) {
  const args = { node: 'w-1', draining };
  return sent(grid.say(session, { kind: 'request', id, op: 'drain', args }), 'reply')[0];
}

function remove(grid: CoreFixture, session: SessionId, id: number) {
  const request = { kind: 'request', id, op: 'removeNode', args: { node: 'w-1' } } as const;
  return sent(grid.say(session, request), 'reply')[0];
}

const draining = (grid: CoreFixture) => grid.state.views[0]?.draining;

describe('orders to a node (E17)', () => {
  test('one that a newer one of the same session overtook changes nothing, and is answered with what holds', () => {
    const grid = new CoreFixture();
    grid.worker();
    const admin = grid.client();
    drain(grid, admin, 1, true);
    drain(grid, admin, 2, false);
    const again = drain(grid, admin, 1, true);
    expect(again).toMatchObject({ id: 1, failure: null, result: { state: 'ready' } });
    expect(draining(grid)).toBe(false);
  });

  test('one that is repeated in its session does not undo what another session ordered meanwhile', () => {
    const grid = new CoreFixture();
    grid.worker();
    const [one, other] = [grid.client('admin', 'c1'), grid.client('admin', 'c2')];
    drain(grid, one, 1, true);
    drain(grid, other, 1, false);
    drain(grid, one, 1, true);
    expect(draining(grid)).toBe(false);
  });

  test('one that is repeated in a new session is under way still: the last to arrive holds', () => {
    const grid = new CoreFixture();
    grid.worker();
    drain(grid, grid.client('admin', 'c1'), 1, true);
    drain(grid, grid.client('admin', 'c2'), 1, false);
    drain(grid, grid.client('admin', 'c1'), 1, true);
    expect(draining(grid)).toBe(true);
  });

  test('a removal that is repeated in its session removes once, and is answered alike', () => {
    const grid = new CoreFixture();
    grid.worker();
    const admin = grid.client();
    const answers = [remove(grid, admin, 1), remove(grid, admin, 1)];
    grid.worker();
    answers.push(remove(grid, admin, 1));
    expect(answers.map((answer) => answer?.result)).toEqual(Array(3).fill({ removed: 'w-1' }));
    expect(grid.state.workers.size).toBe(1);
    remove(grid, admin, 2);
    expect(grid.state.workers.size).toBe(0);
  });

  test('a removal that is repeated in a new session, or to a new epoch, succeeded still', () => {
    const grid = new CoreFixture();
    grid.worker();
    expect(remove(grid, grid.client(), 1)?.result).toEqual({ removed: 'w-1' });
    expect(remove(grid, grid.client(), 1)).toMatchObject({ failure: null, result: { removed: 'w-1' } });
    for (const next of [grid.restart(), grid.restart(true)])
      expect(remove(next, next.client(), 1)).toMatchObject({ failure: null, result: { removed: 'w-1' } });
  });

  test('one that never was is refused, after whatever may have removed it', () => {
    const grid = new CoreFixture();
    const refusal = remove(grid, grid.client(), 1);
    expect(refusal?.failure?.code).toBe('rejected.not-found');
    expect(grid.effects.find(({ kind }) => kind === 'send')).toMatchObject({ gated: true });
  });

  test('orders repeated in a stall are not refused: their answers are held back (E19)', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.worker('w-2');
    const admin = grid.client();
    grid.submit(admin, 1);
    const orders = [
      { op: 'drain', args: { node: 'w-1', draining: true } },
      { op: 'cancel', args: { task: 1 } },
      { op: 'removeNode', args: { node: 'w-2' } },
    ] as const;
    const say = (session: SessionId) =>
      orders.map((order, n) => sent(grid.say(session, { kind: 'request', id: n + 1, ...order }), 'reply')[0]);
    expect(say(admin)).toMatchObject([{ failure: null }, { failure: null }, { failure: null }]);
    grid.step({ kind: 'journalStalled', stalled: true });
    expect(say(admin)).toEqual([undefined, undefined, undefined]);
    expect(say(grid.client())).toEqual([undefined, undefined, undefined]);
    grid.step({ kind: 'journalStalled', stalled: false });
    expect(say(grid.client())).toMatchObject([{ failure: null }, { failure: null }, { failure: null }]);
  });

  test('a removal waits for the key to be revoked, and is undone by nothing that comes meanwhile', () => {
    const grid = new CoreFixture();
    grid.revokes = false;
    const worker = grid.worker();
    const admin = grid.client();
    grid.submit(admin, 1);
    expect(remove(grid, admin, 1)).toBeUndefined();
    expect(remove(grid, admin, 1)).toBeUndefined();
    expect(grid.effects.filter(({ kind }) => kind === 'revoke')).toHaveLength(1);
    expect(grid.task(1)?.phase).toBe('leased');
    const told = {
      kind: 'keyRevoked',
      worker: 'w-1' as WorkerId,
      session: admin,
      request: 1,
      failure: null,
    } as const;
    const effects = grid.step(told);
    expect(sent(effects, 'reply')).toMatchObject([{ id: 1, result: { removed: 'w-1' } }]);
    expect(effects.filter(({ kind }) => kind === 'close')).toMatchObject([{ session: worker }]);
    expect(grid.task(1)?.phase).toBe('waiting');
    expect(sent(grid.step(told), 'reply')).toMatchObject([{ id: 1, result: { removed: 'w-1' } }]);
  });

  test('a removal whose key cannot be revoked removes nothing, and says why', () => {
    const grid = new CoreFixture();
    grid.revokes = false;
    grid.worker();
    const admin = grid.client();
    remove(grid, admin, 1);
    const why = failure('internal.bug', 'the disk is full');
    const told = {
      kind: 'keyRevoked',
      worker: 'w-1' as WorkerId,
      session: admin,
      request: 1,
      failure: why,
    } as const;
    expect(sent(grid.step(told), 'reply')).toMatchObject([{ id: 1, result: null, failure: why }]);
    expect(grid.state.workers.size).toBe(1);
  });
});
