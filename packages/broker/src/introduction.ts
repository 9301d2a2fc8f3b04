/** Whether a hello is to be believed (E1): the signature, the key, the role. */
import { type Failure, failure, type Hello, type PrincipalId, type Role } from '@gryphgen/protocol';
import { type AuthorizedKey, principalIdOf, verifyHello } from '@gryphgen/runtime';

export type Disbelief = readonly [reason: 'badSignature' | 'unknownKey' | 'wrongRole', why: Failure];

/** Who may enter. */
export interface KnownKeys {
  find(key: string): AuthorizedKey | undefined;
  findPrincipal(id: PrincipalId): AuthorizedKey | undefined;
}

/** Undefined when it is. */
export function disbelief(
  { nonce, key, role, signature, peer, actsFor }: Hello,
  grid: string,
  known: KnownKeys,
): Disbelief | undefined {
  const entry = known.find(key);
  if (!verifyHello({ grid, nonce, role, key, actsFor }, signature)) {
    return ['badSignature', failure('rejected.forbidden', 'the signature is not that of the key')];
  }
  const who = `key ${principalIdOf(key)}`;
  if (entry === undefined) {
    return ['unknownKey', failure('rejected.forbidden', `${who} is not authorised on this grid`)];
  }
  if (entry.role === 'delegate' || actsFor !== undefined) {
    const why = delegateDisbelief(entry.role, role, actsFor, known);
    return why === undefined ? undefined : ['wrongRole', failure('rejected.forbidden', `${who} ${why}`)];
  }
  if (mayActAs(entry.role, role) && (role === 'worker') === (peer.kind === 'worker')) return undefined;
  const words = `${who} is authorised as ${entry.role}, not as ${role} (${peer.kind})`;
  return ['wrongRole', failure('rejected.forbidden', words)];
}

/** Why it does not act for that principal: one that is let in, in a role that it has, and never with the rights of an admin. */
function delegateDisbelief(
  authorized: Role,
  role: Role,
  actsFor: PrincipalId | undefined,
  known: KnownKeys,
): string | undefined {
  if (authorized !== 'delegate') return `is authorised as ${authorized}: only a delegate acts for another`;
  if (actsFor === undefined) return 'is a delegate’s: it must say for whom it acts';
  const named = known.findPrincipal(actsFor);
  if (named === undefined) return `acts for ${actsFor}, who is not authorised on this grid`;
  if ((role === 'submitter' || role === 'viewer') && mayActAs(named.role, role)) return undefined;
  return `may not act for ${actsFor}, authorised as ${named.role}, as ${role}`;
}

/** An administrator may give up rights for a session; nobody may take more. */
function mayActAs(authorized: Role, role: Role): boolean {
  return authorized === role || (authorized === 'admin' && (role === 'submitter' || role === 'viewer'));
}

/** Within its principal: nobody ends another's session, or keeps another out, by naming its client id. */
export function soleOf(hello: Hello): string {
  const { key, peer } = hello;
  return peer.kind === 'worker' ? `worker ${key}` : `client ${principalOf(hello)} ${peer.client}`;
}

/** Whom its session acts for. */
export function principalOf({ key, actsFor }: Hello): PrincipalId {
  return actsFor ?? principalIdOf(key);
}
