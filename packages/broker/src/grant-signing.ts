/** The broker's permissions for transfers: signed, for whom they were asked, good for a minute (E22). */
import type { SessionId, TransferOp } from '@gryphgen/protocol';
import { type Identity, principalIdOf, type Random, signGrant } from '@gryphgen/runtime';
import type { BrokerLoop } from './broker-loop.ts';
import type { GrantSubject } from './core/effects.ts';

/** Long enough to connect to the worker and ask; a stolen grant is soon worthless. */
const grantMs = 60_000;
/** No two are alike, so that one that was used is known again. */
const grantIdBytes = 12;

export interface GrantTools {
  readonly grid: string;
  readonly identity: Identity;
  readonly random: Random;
  readonly loop: Pick<BrokerLoop, 'sessions' | 'engine'>;
}

export function grantFor(
  { grid, identity, random, loop: { sessions, engine } }: GrantTools,
  op: TransferOp,
  session: SessionId,
  about: GrantSubject,
): string {
  const principal = engine.state.sessions.get(session)?.principal;
  const key = sessions.keyOf(session);
  const opener = key === undefined ? undefined : principalIdOf(key);
  const by = opener === principal ? undefined : opener;
  const expiresAt = sessions.wallMs() + grantMs;
  const id = random.bytes(grantIdBytes).toString('base64url');
  return signGrant(identity, { grid, op, id, ...about, principal, by, expiresAt });
}
