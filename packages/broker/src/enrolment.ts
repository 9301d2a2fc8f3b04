/**
 * Who may enter, asked and changed (E24, E27): an admin asks for a ticket, whoever has it asks with it for one key to be let
 * in; an admin lists persons, services and tickets, and revokes them. Answers when what was changed is on disk; throws
 * GridError, in words, where it is refused.
 *
 * 1. A key that is revoked has no session from that moment on, whether or not the disk can be written.
 */
import {
  failure,
  GridError,
  type PrincipalDocument,
  type PrincipalId,
  type RequestArgs,
  type RequestResults,
  type TicketDocument,
} from '@gryphgen/protocol';
import {
  type AuthorizedKeys,
  principalIdOf,
  ticketIdOf,
  verifyEnrolment,
  workerIdOf,
} from '@gryphgen/runtime';
import type { BrokerLoop } from './broker-loop.ts';
import { shareDocument } from './core/documents.ts';
import type { DoorOperation, EnrolmentEffect } from './core/effects.ts';

export interface EnrolmentTools {
  readonly grid: string;
  readonly authorized: AuthorizedKeys;
  /** Where other machines find the broker. */
  readonly reachableAt: () => readonly string[];
  readonly announce: (order: RequestArgs<'announce'>) => Promise<RequestResults['announce']>;
  readonly loop: Pick<BrokerLoop, 'sessions' | 'engine' | 'endSessions'>;
  /** Of the files that are kept beside the broker; null while nothing is. */
  readonly stored: () => Readonly<Record<string, number>> | null;
}

export async function onEnrolment(
  { order, principal }: EnrolmentEffect,
  tools: EnrolmentTools,
): Promise<RequestResults[DoorOperation]> {
  switch (order.op) {
    case 'enrol':
      return enrol(order.args, principal, tools);
    case 'createTicket':
      return createTicket(order.args, principal, tools);
    case 'tickets':
      return goodTickets(tools);
    case 'revokeTicket':
      return revokeTicket(order.args, tools);
    case 'principals':
      return principals(order.args, tools);
    case 'revokePrincipal':
      return revokePrincipal(order.args, principal, tools);
    case 'announce':
      return tools.announce(order.args);
    default:
      return order satisfies never;
  }
}

async function createTicket(
  { ttlMs, ...ticket }: RequestArgs<'createTicket'>,
  madeBy: PrincipalId,
  { authorized, reachableAt, loop }: EnrolmentTools,
): Promise<RequestResults['createTicket']> {
  const wallMs = loop.sessions.wallMs();
  const { expiresAt } = await authorized.addTicket({ ...ticket, madeBy, expiresAt: wallMs + ttlMs }, wallMs);
  return { endpoints: reachableAt(), expiresAt };
}

async function enrol(
  { signature, ...asked }: RequestArgs<'enrol'>,
  principal: PrincipalId,
  { grid, authorized, loop }: EnrolmentTools,
): Promise<RequestResults['enrol']> {
  const wallMs = loop.sessions.wallMs();
  if (!verifyEnrolment({ grid, ...asked }, signature))
    throw new GridError(failure('rejected.forbidden', 'the signature is not that of the key'));
  const ticket = authorized.ticketOf(principal);
  if (ticket === undefined)
    throw new GridError(failure('rejected.forbidden', 'this ticket has expired: ask for a new one'));
  const { role } = await authorized.enrol(ticket, { ...asked, addedAt: wallMs }, wallMs);
  return { role };
}

function goodTickets({ authorized, loop }: EnrolmentTools): TicketDocument[] {
  const wallMs = loop.sessions.wallMs();
  return authorized
    .listTickets()
    .filter(({ usedBy, expiresAt }) => usedBy === undefined && expiresAt > wallMs)
    .map(({ key, role, expiresAt, madeBy = '' }) => ({ id: ticketIdOf(key), role, expiresAt, madeBy }));
}

/** One that is not there any more is revoked: whoever asked may not have heard the answer. */
async function revokeTicket(
  { ticket: id }: RequestArgs<'revokeTicket'>,
  { authorized, loop }: EnrolmentTools,
): Promise<RequestResults['revokeTicket']> {
  const ticket = authorized.listTickets().find(({ key }) => ticketIdOf(key) === id);
  if (ticket?.usedBy !== undefined) {
    const words = `${id} has let in ${principalIdOf(ticket.usedBy)}: revoke that ("grid principal revoke", "grid node remove")`;
    throw new GridError(failure('rejected.state', words));
  }
  const written = authorized.dropTickets(({ key }) => key === ticket?.key);
  if (ticket !== undefined) loop.endSessions(ticket.key);
  await written;
  return { revoked: id };
}

function principals(
  { limit }: RequestArgs<'principals'>,
  { authorized, stored, loop: { sessions, engine } }: EnrolmentTools,
): PrincipalDocument[] {
  const kept = stored();
  return authorized
    .list()
    .filter(({ role }) => role !== 'worker')
    .map(({ key, name, role, addedAt }) => {
      const id = principalIdOf(key);
      const seenAt = authorized.seenAt(key);
      const { has, limits } = shareDocument(engine.state, id, role, sessions.wallMs());
      return {
        id,
        name,
        role,
        addedAt,
        seenAt,
        sessions: sessions.countOf(key),
        has: { ...has, storedBytes: kept === null ? null : (kept[id] ?? 0) },
        limits,
      };
    })
    .sort((a, b) => b.seenAt - a.seenAt)
    .slice(0, limit);
}

async function revokePrincipal(
  { principal: id }: RequestArgs<'revokePrincipal'>,
  asker: PrincipalId,
  { authorized, loop }: EnrolmentTools,
): Promise<RequestResults['revokePrincipal']> {
  // So that there always is one: who asks stays.
  if (id === asker)
    throw new GridError(failure('rejected.state', `${id} is you: have another admin revoke it`));
  const entry = authorized.findPrincipal(id);
  if (entry?.role === 'worker') {
    const words = `${id} is a machine: "grid node remove ${workerIdOf(entry.key)}" removes it`;
    throw new GridError(failure('rejected.invalid', words));
  }
  if (entry === undefined && !authorized.isRevokedPrincipal(id))
    throw new GridError(failure('rejected.not-found', `no principal ${id} on this grid`));
  const tickets = authorized
    .listTickets()
    .filter(({ madeBy, usedBy }) => madeBy === id && usedBy === undefined);
  const written = [
    authorized.revoke(entry?.key ?? ''),
    // What it has made could let it in again.
    authorized.dropTickets((ticket) => tickets.includes(ticket)),
  ];
  for (const { key } of entry === undefined ? tickets : [entry, ...tickets]) loop.endSessions(key);
  await Promise.all(written);
  return { revoked: id };
}
