/**
 * What a copy's files are sealed by: stores of artifacts keep them, and who may not ask the collection may come to have them.
 *
 * 1. The same content under the same name is sealed to the same bytes, by a nonce that is made of it: what has not changed is not
 *    carried again. Who has the bytes alone can tell that, and nothing else.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

const cipher = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export class NotSealed extends Error {
  constructor(name: string) {
    super(`its file ${name} is damaged, or another's`);
  }
}

export class CopySeal {
  private readonly sealing: Buffer;
  private readonly naming: Buffer;

  constructor(secret: Uint8Array) {
    const part = (use: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', `gryphgen copy ${use}`, keyBytes));
    this.sealing = part('contents');
    this.naming = part('nonces');
  }

  seal(name: string, text: string): Uint8Array {
    const nonce = createHmac('sha256', this.naming)
      .update(`${name}\n${text}`)
      .digest()
      .subarray(0, nonceBytes);
    const sealing = createCipheriv(cipher, this.sealing, nonce).setAAD(Buffer.from(name));
    return Buffer.concat([nonce, sealing.update(text, 'utf8'), sealing.final(), sealing.getAuthTag()]);
  }

  /** Throws NotSealed for what was not sealed by this secret under this name. */
  open(name: string, sealed: Uint8Array): string {
    const bytes = Buffer.from(sealed);
    if (bytes.length < nonceBytes + tagBytes) throw new NotSealed(name);
    const opening = createDecipheriv(cipher, this.sealing, bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(-tagBytes));
    try {
      const text = opening.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8');
      return text + opening.final('utf8');
    } catch {
      // That the tag does not fit is all that it says.
      throw new NotSealed(name);
    }
  }
}
