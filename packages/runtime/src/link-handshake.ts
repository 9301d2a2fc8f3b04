/** How a peer introduces itself (E1), and which refusals no further try can change. */
import type { Challenge, Failure, Hello, Message, PeerHello, PrincipalId, Role } from '@gryphgen/protocol';
import { failure, productVersion, wireVersions } from '@gryphgen/protocol';
import { type Identity, signHello } from './keys.ts';

export interface Introduction {
  readonly grid: string;
  readonly identity: Identity;
  readonly role: Role;
  /** Of a delegate: for whom this connection acts; `role` is that principal's. */
  readonly actsFor?: PrincipalId;
}

export const knock: Message = { kind: 'knock', versions: wireVersions };

/** `peer` is asked for at the moment the hello is composed: what it lists is what the broker may rely on (E2, E11). */
export function composeHello(
  { grid, identity, role, actsFor }: Introduction,
  challenge: Challenge,
  peer: PeerHello,
): Hello {
  const signature = signHello(identity, grid, challenge.nonce, role, actsFor);
  const { nonce } = challenge;
  const hello = { nonce, key: identity.key, role, signature, product: productVersion, peer };
  return { kind: 'hello', ...hello, ...(actsFor !== undefined && { actsFor }) };
}

/** A key that is not authorised, a version nobody speaks, a hello that makes no sense: trying again changes nothing. */
export function isFinal({ code }: Failure): boolean {
  return code === 'rejected.forbidden' || code === 'rejected.version' || code === 'rejected.invalid';
}

export function lost(what: string): Failure {
  return failure('lost.broker', what);
}
