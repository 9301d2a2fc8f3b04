/** Persons, services and tickets on a real broker over its sockets: who is listed, who is let in no more, who acts for whom. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatTaskId,
  type PrincipalDocument,
  type PrincipalId,
  type PrincipalLimitTable,
  type TicketDocument,
} from '@gryphgen/protocol';
import { createIdentity, principalIdOf, signEnrolment, ticketIdOf, workerIdOf } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keysOf, type Peer, PlayedGrid } from './played-grid.fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

let grid: PlayedGrid;
beforeEach(() => {
  grid = new PlayedGrid();
});
afterEach(() => grid.stop());

const revoke = (admin: Peer, principal: PrincipalId) => admin.ask('revokePrincipal', { principal });

describe('a person that is revoked', () => {
  it('is out at once and stays out; its tasks stay, its own, for admins to see and cancel', async () => {
    await grid.start();
    const admin = grid.peer({ role: 'admin' });
    const alice = grid.peer({ role: 'submitter' });
    const task = await alice.submit();
    const ended = alice.closed();
    expect(await revoke(admin, alice.principal)).toMatchObject({ result: { revoked: alice.principal } });
    await ended;
    expect(await alice.open()).toMatchObject({ code: 'rejected.forbidden' });
    await grid.stopBroker();
    await grid.start();
    expect(await alice.open()).toMatchObject({ code: 'rejected.forbidden' });
    const again = grid.peer({ role: 'admin', identity: admin.identity });
    expect((await again.ask('show', { task })).result).toMatchObject({ principal: alice.principal });
    expect((await again.ask('cancel', { task })).result).toMatchObject({ state: 'cancelled' });
    // Whoever did not hear the answer asks again.
    expect(await revoke(again, alice.principal)).toMatchObject({ result: { revoked: alice.principal } });
  });

  it('leaves no ticket behind that would let it in again', async () => {
    await grid.start();
    const [admin, boss] = [grid.peer({ role: 'admin' }), grid.peer({ role: 'admin' })];
    const secret = createIdentity();
    await boss.ask('createTicket', { ...keysOf(secret), role: 'admin', ttlMs: 60_000 });
    const holder = grid.peer({ role: 'ticket', identity: secret });
    expect(await holder.open()).toBeUndefined();
    const ended = holder.closed();
    await revoke(admin, boss.principal);
    await ended;
    expect(await holder.open()).toMatchObject({ code: 'rejected.forbidden' });
    expect((await admin.ask('tickets', {})).result).toEqual([]);
  });

  it('may not be oneself, nor a machine, nor nobody', async () => {
    await grid.start();
    const admin = grid.peer({ role: 'admin' });
    const machine = grid.enrol('worker');
    const why = async (principal: string) => (await revoke(admin, principal as never)).failure;
    expect(await why(admin.principal)).toMatchObject({
      code: 'rejected.state',
      message: `${admin.principal} is you: have another admin revoke it`,
    });
    expect(await why(principalIdOf(machine.key))).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining(`"grid node remove ${workerIdOf(machine.key)}"`),
    });
    const nobody = principalIdOf(createIdentity().key);
    expect(await why(nobody)).toEqual({
      code: 'rejected.not-found',
      message: `no principal ${nobody} on this grid`,
    });
    expect(await why('alice')).toMatchObject({ code: 'rejected.invalid' });
  });
});

it('principals are listed with what they have and may have, and when they were seen', async () => {
  const alice = grid.enrol('submitter', 'alice');
  const id = principalIdOf(alice.key);
  const limits: PrincipalLimitTable = { everybody: {}, named: new Map([[id, { queued: 2 }]]) };
  await grid.start(limits);
  const admin = grid.peer({ role: 'admin' });
  const peer = grid.peer({ role: 'submitter', identity: alice });
  const before = Date.now();
  await peer.submit();
  await peer.submit();
  expect(await peer.submit()).toMatchObject({ code: 'rejected.limit', message: expect.stringContaining(id) });
  const listed = async (by = grid.peer({ role: 'admin', identity: admin.identity })) =>
    ((await by.ask('principals', {})).result as PrincipalDocument[]).find((one) => one.id === id);
  expect(await listed()).toMatchObject({
    ...{ id, name: 'alice', role: 'submitter', addedAt: 1, sessions: 1, limits: { queued: 2 } },
    has: { queued: 2, running: 0, bodiesBytes: 0 },
  });
  await grid.stopBroker();
  await grid.start();
  const again = await listed();
  expect(again).toMatchObject({ has: { queued: 2 }, limits: {} });
  expect(again?.seenAt).toBeGreaterThanOrEqual(before);
});

describe('a ticket', () => {
  it('is listed while it is good and unused, and lets nobody in when it is revoked', async () => {
    await grid.start();
    const admin = grid.peer({ role: 'admin' });
    const [used, open] = [createIdentity(), createIdentity()];
    for (const secret of [used, open])
      await admin.ask('createTicket', { ...keysOf(secret), role: 'viewer', ttlMs: 60_000 });
    const enrol = async (secret: typeof used) => {
      const fresh = createIdentity();
      const signature = signEnrolment(fresh, grid.grid, 'x');
      const guest = grid.peer({ role: 'ticket', identity: secret });
      return { guest, answer: await guest.ask('enrol', { ...keysOf(fresh), name: 'x', signature }) };
    };
    expect((await enrol(used)).answer.failure).toBeNull();
    const [ticket, ...more] = (await admin.ask('tickets', {})).result as TicketDocument[];
    expect(more).toEqual([]);
    expect(ticket).toMatchObject({ id: ticketIdOf(open.key), role: 'viewer', madeBy: admin.principal });

    const guest = grid.peer({ role: 'ticket', identity: open });
    expect(await guest.open()).toBeUndefined();
    const ended = guest.closed();
    for (const _ of ['first', 'again'])
      expect((await admin.ask('revokeTicket', { ticket: ticket?.id })).failure).toBeNull();
    await ended;
    expect(await guest.open()).toMatchObject({ code: 'rejected.forbidden' });
    expect(readFileSync(join(grid.home, 'keys', 'authorized.json'), 'utf8')).not.toContain(open.key);
    const spent = await admin.ask('revokeTicket', { ticket: ticketIdOf(used.key) });
    expect(spent.failure).toMatchObject({
      code: 'rejected.state',
      message: expect.stringContaining('let in p-'),
    });
  });
});

describe('a delegate', () => {
  it('acts for a principal: its tasks, its limits, its sight, until that one is revoked', async () => {
    await grid.start();
    const admin = grid.peer({ role: 'admin' });
    const [alice, bob] = [grid.peer({ role: 'submitter' }), grid.peer({ role: 'submitter' })];
    const gateway = grid.enrol('delegate');
    const forAlice = grid.peer({ role: 'submitter', identity: gateway, actsFor: alice.principal });
    const forBob = grid.peer({ role: 'submitter', identity: gateway, actsFor: bob.principal });
    const task = await forAlice.submit();
    expect((await alice.ask('show', { task })).result).toMatchObject({ principal: alice.principal });
    expect((await forBob.ask('show', { task })).failure).toMatchObject({
      message: `no task ${formatTaskId(task as never)} on this grid`,
    });
    const ended = forAlice.closed();
    await revoke(admin, alice.principal);
    await ended;
    expect(await forAlice.open()).toMatchObject({
      message: expect.stringContaining('not authorised on this grid'),
    });
    expect((await forBob.ask('ps', {})).failure).toBeNull();
    const allEnded = forBob.closed();
    await revoke(admin, principalIdOf(gateway.key));
    await allEnded;
  });

  it.each<[string, (gateway: ReturnType<PlayedGrid['enrol']>) => Peer, string]>([
    ['says nobody', (identity) => grid.peer({ role: 'submitter', identity }), 'must say for whom it acts'],
    ['says itself', (identity) => grid.peer({ role: 'delegate', identity }), 'must say for whom it acts'],
    [
      'acts for nobody',
      (identity) => grid.peer({ role: 'viewer', identity, actsFor: principalIdOf(createIdentity().key) }),
      'who is not authorised on this grid',
    ],
    [
      'acts for a machine',
      (identity) =>
        grid.peer({ role: 'submitter', identity, actsFor: principalIdOf(grid.enrol('worker').key) }),
      'authorised as worker, as submitter',
    ],
    [
      'acts for an admin, as that',
      (identity) => grid.peer({ role: 'admin', identity, actsFor: principalIdOf(grid.enrol('admin').key) }),
      'authorised as admin, as admin',
    ],
    [
      'has a viewer submit',
      (identity) =>
        grid.peer({ role: 'submitter', identity, actsFor: principalIdOf(grid.enrol('viewer').key) }),
      'authorised as viewer, as submitter',
    ],
    [
      'is none',
      () =>
        grid.peer({
          ...{ role: 'submitter', identity: grid.enrol('admin') },
          actsFor: principalIdOf(grid.enrol('submitter').key),
        }),
      'only a delegate acts for another',
    ],
  ])('that %s is turned away', async (_, play, words) => {
    await grid.start();
    expect(await play(grid.enrol('delegate')).open()).toMatchObject({
      code: 'rejected.forbidden',
      message: expect.stringContaining(words),
    });
  });
});
