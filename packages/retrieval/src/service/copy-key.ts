/**
 * The key of one service, by which others give it the secrets of copies (E43), and by which it makes its own.
 *
 * 1. What is sealed for one service is of use to nobody else who comes to have the copy: the grid's stores keep it for a while.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';

const cipher = 'aes-256-gcm';
export const keyBytes = 32;
const tagBytes = 16;
/** A key seals once: each has a sender's half of its own. */
const nonce = Buffer.alloc(12);

export class CopyKey {
  /** Its public half, in base64url: what others seal for. */
  readonly name: string;
  private readonly own: KeyObject;

  private constructor(own: KeyObject) {
    this.own = own;
    this.name = nameOf(createPublicKey(own));
  }

  /** Makes one where there is none. Rejects when the file is there and holds none. */
  static async load(file: string): Promise<CopyKey> {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (text !== undefined) return new CopyKey(createPrivateKey(text));
    const { privateKey } = generateKeyPairSync('x25519');
    await replacePrivateFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    return new CopyKey(privateKey);
  }

  /** What its copies of this unit are sealed by: the same each time. */
  secretOf(unit: string): Uint8Array {
    const own = this.own.export({ type: 'pkcs8', format: 'der' });
    return Buffer.from(hkdfSync('sha256', own, unit, 'gryphgen copy secret', keyBytes));
  }

  /** Undefined for what was not sealed for this one. */
  open(sealed: string): Uint8Array | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    const sender = publicKeyOf(bytes.subarray(0, keyBytes).toString('base64url'));
    if (sender === undefined || bytes.length < keyBytes + tagBytes) return undefined;
    const key = sharedKey(this.own, sender, this.name);
    if (key === undefined) return undefined;
    const opening = createDecipheriv(cipher, key, nonce);
    opening.setAuthTag(bytes.subarray(-tagBytes));
    try {
      return Buffer.concat([opening.update(bytes.subarray(keyBytes, -tagBytes)), opening.final()]);
    } catch {
      // That the tag does not fit is all that it says.
      return undefined;
    }
  }
}

/** Undefined where nobody has such a name. */
export function sealFor(name: string, secret: Uint8Array): string | undefined {
  const receiver = publicKeyOf(name);
  if (receiver === undefined) return undefined;
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const key = sharedKey(privateKey, receiver, name);
  if (key === undefined) return undefined;
  const sealing = createCipheriv(cipher, key, nonce);
  const sealed = [sealing.update(secret), sealing.final(), sealing.getAuthTag()];
  return Buffer.concat([Buffer.from(nameOf(publicKey), 'base64url'), ...sealed]).toString('base64url');
}

/** Undefined for a public key that is a point of small order: everybody could tell what is shared with it. */
function sharedKey(privateKey: KeyObject, publicKey: KeyObject, receiver: string): Buffer | undefined {
  let shared: Buffer;
  try {
    shared = diffieHellman({ privateKey, publicKey });
  } catch {
    return undefined;
  }
  return Buffer.from(hkdfSync('sha256', shared, receiver, 'gryphgen copy', keyBytes));
}

function nameOf(key: KeyObject): string {
  return key.export({ format: 'jwk' }).x as string;
}

function publicKeyOf(name: string): KeyObject | undefined {
  if (!/^[\w-]{43}$/.test(name)) return undefined;
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: name }, format: 'jwk' });
}
