/**
 * Who is who. An identity is an Ed25519 key, which signs, and a CURVE key, which encrypts and keeps strangers out. It
 * is made where it is used and its secret halves never leave: `$GRID_HOME/keys/<name>.json`, readable by its owner.
 *
 * Public keys travel as base64url of the raw 32 bytes (Ed25519) and as Z85 (CURVE). A fingerprint is the first 16 hex
 * digits of the raw Ed25519 key's sha-256: `w-…` names a worker, `p-…` a principal, `g-…` a grid.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { failure, GridError, type PrincipalId, type Role, type WorkerId } from '@gryphgen/protocol';
import { curveKeyPair } from 'zeromq';
import { z } from 'zod';
import { replacePrivateFile, writePrivateFile } from './atomic-file.ts';
import { parseJson } from './json.ts';
import { encodeZ85 } from './z85.ts';

export interface CurveKeys {
  readonly publicKey: string;
  readonly secretKey: string;
}

export interface Identity {
  /** Base64url of the raw public key. */
  readonly key: string;
  readonly curve: CurveKeys;
  /** Base64url Ed25519 signature. */
  sign(bytes: Uint8Array): string;
}

const rawKey = /^[A-Za-z0-9_-]{43}$/;
const z85Key = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

export const publicKeySchema = z
  .string()
  .regex(rawKey, 'expected a base64url Ed25519 public key')
  .refine((key) => !isWeak(key), 'this key is of small order: anybody can sign for it');
export const curveKeySchema = z.string().regex(z85Key, 'expected a Z85 CURVE key');

const fileSchema = z.object({
  version: z.literal(1),
  signing: z.object({ public: publicKeySchema, secret: z.string().regex(rawKey) }),
  curve: z.object({ public: curveKeySchema, secret: curveKeySchema }),
});
type KeyFile = z.infer<typeof fileSchema>;

export function createIdentity(): Identity {
  return identityOf(newKeys());
}

/**
 * Reads `keys/<name>.json` in `home`, or makes it. Throws GridError `rejected.forbidden` when others may read it,
 * `rejected.invalid` when it is no key file, and what the file system says.
 */
export function loadIdentity(home: string, name: string): Identity {
  const path = join(home, 'keys', `${name}.json`);
  if (!existsSync(path)) {
    const keys = newKeys();
    writePrivateFile(path, textOf(keys));
    return identityOf(keys);
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    const words = `${path} can be read by others: chmod 600 it, and make new keys if it may have been read`;
    throw new GridError(failure('rejected.forbidden', words));
  }
  const parsed = fileSchema.safeParse(parseJson(readFileSync(path, 'utf8')));
  if (!parsed.success) {
    const words = `${path} is not a key file: ${z.prettifyError(parsed.error)}`;
    throw new GridError(failure('rejected.invalid', words));
  }
  return identityOf(parsed.data);
}

/** Makes `keys/<name>.json` anew, whatever it was; resolves when it is on disk. Rejects with what the file system says. */
export async function renewIdentity(home: string, name: string): Promise<Identity> {
  const keys = newKeys();
  await replacePrivateFile(join(home, 'keys', `${name}.json`), textOf(keys));
  return identityOf(keys);
}

function textOf(keys: KeyFile): string {
  return `${JSON.stringify(keys, undefined, 2)}\n`;
}

/** The same from the same 32 random bytes. */
export function identityFromSeed(seed: Uint8Array): Identity {
  const part = (label: string) =>
    Buffer.from(hkdfSync('sha256', seed, new Uint8Array(0), `gryphgen ticket ${label}`, 32));
  const [signing, curve] = [part('signing'), part('curve')];
  return identityOf({
    version: 1,
    signing: {
      public: publicHalf('ed25519', signing).toString('base64url'),
      secret: signing.toString('base64url'),
    },
    curve: { public: encodeZ85(publicHalf('x25519', curve)), secret: encodeZ85(curve) },
  });
}

/** RFC 8410: what stands before the raw key. */
const privateKeyPrefix = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
};

export function publicHalf(curve: keyof typeof privateKeyPrefix, secret: Buffer): Buffer {
  const key = Buffer.concat([privateKeyPrefix[curve], secret]);
  const { x } = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  });
  return Buffer.from(String(x), 'base64url');
}

export function workerIdOf(key: string): WorkerId {
  return `w-${fingerprint(key)}` as WorkerId;
}

export function principalIdOf(key: string): PrincipalId {
  return `p-${fingerprint(key)}` as PrincipalId;
}

/** A ticket is named by its key. */
export function ticketIdOf(key: string): string {
  return `ticket-${fingerprint(key)}`;
}

/** A grid is named by the key that vouches for its brokers. */
export function gridIdOf(key: string): string {
  return `g-${fingerprint(key)}`;
}

export interface HelloProof {
  readonly grid: string;
  readonly nonce: string;
  readonly role: Role;
  readonly key: string;
  readonly actsFor?: PrincipalId | undefined;
}

export function signHello(
  identity: Identity,
  grid: string,
  nonce: string,
  role: Role,
  actsFor?: PrincipalId,
): string {
  return identity.sign(helloBytes({ grid, nonce, role, key: identity.key, actsFor }));
}

export function verifyHello(proof: HelloProof, signature: string): boolean {
  return verifySignature(proof.key, helloBytes(proof), signature);
}

/** False also for what is no key or no signature. */
export function verifySignature(key: string, bytes: Uint8Array, signature: string): boolean {
  if (!rawKey.test(key) || isWeak(key)) return false;
  try {
    return verify(null, bytes, publicKeyOf(key), Buffer.from(signature, 'base64url'));
  } catch {
    // 32 bytes that are no point of the curve: somebody's noise, not our bug.
    return false;
  }
}

/**
 * Keys of small order, for which signatures can be made without a secret that OpenSSL takes as good. The list is
 * libsodium's, less the sign bit.
 */
const weakKeys = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

function isWeak(key: string): boolean {
  const raw = Buffer.from(key, 'base64url');
  if (raw.length !== 32) return false;
  raw.writeUInt8(raw.readUInt8(31) & 0x7f, 31);
  return weakKeys.has(raw.toString('hex'));
}

/** No field can hold a NUL, so two different proofs never have the same bytes. */
function helloBytes({ grid, nonce, role, key, actsFor }: HelloProof): Buffer {
  const parts = ['GG-HELLO', grid, nonce, role, key];
  return Buffer.from((actsFor === undefined ? parts : [...parts, actsFor]).join('\0'));
}

function fingerprint(key: string): string {
  return createHash('sha256').update(Buffer.from(key, 'base64url')).digest('hex').slice(0, 16);
}

/**
 * An Ed25519 secret is any 32 bytes. Node's own generator is not asked: its pair and the job that made it share a lock, and
 * a collection in the middle of the export that ends that job waits for it for ever (Node 20.20).
 */
function newKeys(): KeyFile {
  const secret = randomBytes(32);
  const curve = curveKeyPair();
  return {
    version: 1,
    signing: {
      public: publicHalf('ed25519', secret).toString('base64url'),
      secret: secret.toString('base64url'),
    },
    curve: { public: curve.publicKey, secret: curve.secretKey },
  };
}

function identityOf({ signing, curve }: KeyFile): Identity {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: signing.public, d: signing.secret };
  const secret = createPrivateKey({ key: jwk, format: 'jwk' });
  return {
    key: signing.public,
    curve: { publicKey: curve.public, secretKey: curve.secret },
    sign: (bytes) => sign(null, bytes, secret).toString('base64url'),
  };
}

function publicKeyOf(key: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
}
