/** Tickets in the list of who may enter: each lets one key in, whatever happens in between. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AuthorizedKeys } from './authorized.ts';
import { createIdentity, principalIdOf } from './keys.ts';

let home: string;
let authorized: AuthorizedKeys;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-tickets-'));
  authorized = new AuthorizedKeys(home);
  authorized.add({ ...keys(), role: 'admin', name: 'admin', addedAt: 1 });
});
afterEach(() => rmSync(home, { recursive: true }));

const keys = () => {
  const { key, curve } = createIdentity();
  return { key, curveKey: curve.publicKey };
};
const ticketFor = (role: 'worker' | 'viewer', expiresAt = 1000) => ({ ...keys(), role, expiresAt });
const entry = (who = keys()) => ({ ...who, name: 'anvil', addedAt: 5 });
const onDisk = () => new AuthorizedKeys(home);

it('lets one key in, for what it is for, and is known again after a restart', async () => {
  const ticket = ticketFor('worker');
  await authorized.addTicket(ticket, 0);
  expect(authorized.admitsCurve(ticket.curveKey)).toBe(true);
  expect(onDisk().find(ticket.key)?.role).toBe('ticket');
  const known = onDisk().ticketOf(principalIdOf(ticket.key));
  expect(known).toEqual(ticket);

  const anvil = entry();
  expect(await authorized.enrol(ticket, anvil, 999)).toEqual({ ...anvil, role: 'worker' });
  expect(onDisk().find(anvil.key)).toEqual({ ...anvil, role: 'worker' });
  // Its answer may have been lost.
  expect(await onDisk().enrol(ticket, anvil, 5000)).toEqual({ ...anvil, role: 'worker' });
  await expect(onDisk().enrol(ticket, entry(), 999)).rejects.toThrow('has been used');
});

it('of two that ask at once, one is let in', async () => {
  const ticket = ticketFor('viewer');
  await authorized.addTicket(ticket, 0);
  const asked = await Promise.allSettled([entry(), entry()].map((one) => authorized.enrol(ticket, one, 1)));
  expect(asked.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(onDisk().list()).toHaveLength(2);
});

it('is no good when it has expired, and is forgotten when the next is made', async () => {
  const ticket = ticketFor('worker', 1000);
  await authorized.addTicket(ticket, 0);
  await expect(authorized.enrol(ticket, entry(), 1000)).rejects.toThrow('has expired');
  await authorized.addTicket(ticketFor('worker', 3000), 1000);
  expect(authorized.admitsCurve(ticket.curveKey)).toBe(false);
  expect(onDisk().find(ticket.key)).toBeUndefined();
});

it('lets in no key that is in already, that is a ticket’s, or that was removed', async () => {
  const [first, second] = [ticketFor('worker'), ticketFor('worker')];
  await authorized.addTicket(first, 0);
  await authorized.addTicket(second, 0);
  const anvil = entry();
  await expect(authorized.enrol(first, entry(second), 1)).rejects.toThrow('let in already');
  await authorized.enrol(first, anvil, 1);
  await expect(authorized.enrol(second, anvil, 1)).rejects.toThrow('let in already');
  await authorized.revoke(anvil.key);
  await expect(authorized.enrol(second, anvil, 1)).rejects.toThrow('was removed from the grid');
  await expect(authorized.enrol(first, anvil, 1)).rejects.toThrow('was removed since');
  // None of these has used it up.
  await authorized.enrol(second, entry(), 1);
});

it('is not used up by what is no key', async () => {
  const ticket = ticketFor('worker');
  await expect(authorized.addTicket({ ...ticket, key: 'short' }, 0)).rejects.toMatchObject({
    failure: { code: 'rejected.invalid' },
  });
  await authorized.addTicket(ticket, 0);
  const wrong = entry({ ...keys(), curveKey: ' '.repeat(40) });
  await expect(authorized.enrol(ticket, wrong, 1)).rejects.toMatchObject({
    failure: { code: 'rejected.invalid', message: expect.stringContaining('curveKey') },
  });
  await authorized.enrol(ticket, entry(), 1);
});

it('is one of a bounded number', async () => {
  for (let no = 0; no < limits.tickets; no++) await authorized.addTicket(ticketFor('worker'), 0);
  await expect(authorized.addTicket(ticketFor('worker'), 0)).rejects.toThrow('tickets already');
  await authorized.addTicket(ticketFor('worker', 5000), 1000);
});

it('is used up by the key for which writing failed, and lets that in when it can be written', async () => {
  const ticket = ticketFor('worker');
  await authorized.addTicket(ticket, 0);
  const anvil = entry();
  const folder = join(home, 'keys');
  renameSync(folder, `${folder}.away`);
  await expect(authorized.enrol(ticket, anvil, 1)).rejects.toThrow('ENOENT');
  renameSync(`${folder}.away`, folder);
  expect(onDisk().find(anvil.key)).toBeUndefined();
  await expect(authorized.enrol(ticket, entry(), 1)).rejects.toThrow('has been used');
  await authorized.enrol(ticket, anvil, 2000);
  expect(onDisk().find(anvil.key)).toEqual({ ...anvil, role: 'worker' });
});
