/**
 * Real Ed25519 identities made from names, so that the broker's own handshake can judge them and a run repeats exactly.
 */
import { createHash, createPrivateKey, sign } from 'node:crypto';
import type { Role } from '@gryphgen/protocol';
import type { AuthorizedKey, Identity } from '@gryphgen/runtime';

/** PKCS #8 before the 32 bytes of an Ed25519 secret (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const made = new Map<string, Identity>();

export function simIdentity(name: string): Identity {
  const known = made.get(name);
  if (known !== undefined) return known;
  const seed = createHash('sha256').update(`gryphgen simulated identity ${name}`).digest();
  const secret = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const identity: Identity = {
    key: String(secret.export({ format: 'jwk' }).x),
    // Nothing is encrypted here: connections are simulated.
    curve: { publicKey: '', secretKey: '' },
    sign: (bytes) => sign(null, bytes, secret).toString('base64url'),
  };
  made.set(name, identity);
  return identity;
}

export function authorize(name: string, role: Role): AuthorizedKey {
  return { key: simIdentity(name).key, curveKey: '', role, name, addedAt: 0 };
}
