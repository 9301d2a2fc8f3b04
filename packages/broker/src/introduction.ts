/** Whether a hello is to be believed (E1): the signature, the key, the role. */
import { type Failure, failure, type Hello, type Role } from '@gryphgen/protocol';
import { type AuthorizedKey, principalIdOf, verifyHello } from '@gryphgen/runtime';

export type Disbelief = readonly [reason: 'badSignature' | 'unknownKey' | 'wrongRole', why: Failure];

/** Undefined when it is. */
export function disbelief(
  { nonce, key, role, signature, peer }: Hello,
  grid: string,
  entry: AuthorizedKey | undefined,
): Disbelief | undefined {
  if (!verifyHello({ grid, nonce, role, key }, signature)) {
    return ['badSignature', failure('rejected.forbidden', 'the signature is not that of the key')];
  }
  const who = `key ${principalIdOf(key)}`;
  if (entry === undefined) {
    return ['unknownKey', failure('rejected.forbidden', `${who} is not authorised on this grid`)];
  }
  if (mayActAs(entry.role, role) && (role === 'worker') === (peer.kind === 'worker')) return undefined;
  const words = `${who} is authorised as ${entry.role}, not as ${role} (${peer.kind})`;
  return ['wrongRole', failure('rejected.forbidden', words)];
}

/** An administrator may give up rights for a session; nobody may take more. */
function mayActAs(authorized: Role, role: Role): boolean {
  return authorized === role || (authorized === 'admin' && (role === 'submitter' || role === 'viewer'));
}
