/**
 * How somebody new gets in (E24): an admin asks for a ticket, whoever has it asks with it for one key to be let in.
 * Answers when that is on disk; throws GridError, in words, where it is refused.
 */
import { failure, GridError, type RequestArgs, type RequestResults } from '@gryphgen/protocol';
import { type AuthorizedKeys, reachable, verifyEnrolment } from '@gryphgen/runtime';
import type { EnrolmentEffect } from './core/effects.ts';

export interface EnrolmentTools {
  readonly grid: string;
  readonly authorized: AuthorizedKeys;
  /** What the broker listens at. */
  readonly endpoints: readonly string[];
  /** Time of day, ms. */
  readonly wallMs: number;
}

export async function onEnrolment(
  { order, principal }: EnrolmentEffect,
  tools: EnrolmentTools,
): Promise<RequestResults['createTicket' | 'enrol']> {
  return order.op === 'enrol' ? enrol(order.args, principal, tools) : createTicket(order.args, tools);
}

async function createTicket(
  { ttlMs, ...ticket }: RequestArgs<'createTicket'>,
  { authorized, endpoints, wallMs }: EnrolmentTools,
): Promise<RequestResults['createTicket']> {
  const { expiresAt } = await authorized.addTicket({ ...ticket, expiresAt: wallMs + ttlMs }, wallMs);
  return { endpoints: endpoints.flatMap(reachable), expiresAt };
}

async function enrol(
  { signature, ...asked }: RequestArgs<'enrol'>,
  principal: EnrolmentEffect['principal'],
  { grid, authorized, wallMs }: EnrolmentTools,
): Promise<RequestResults['enrol']> {
  if (!verifyEnrolment({ grid, ...asked }, signature))
    throw new GridError(failure('rejected.forbidden', 'the signature is not that of the key'));
  const ticket = authorized.ticketOf(principal);
  if (ticket === undefined)
    throw new GridError(failure('rejected.forbidden', 'this ticket has expired: ask for a new one'));
  const { role } = await authorized.enrol(ticket, { ...asked, addedAt: wallMs }, wallMs);
  return { role };
}
