/**
 * The key of a collection's redaction: it makes pseudonyms, and seals what they stand for.
 *
 * 1. Of one collection alone: who has the pseudonyms of two cannot tell that a subject is in both.
 * 2. Without it nobody can tell what a pseudonym stands for, nor try out what it might.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { RedactedKind } from '@gryphgen/protocol';

export const keyBytes = 32;
const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
/** Of a pseudonym: enough that no two of a collection are alike. */
const markerHex = 16;

export class RedactionKey {
  private readonly marking: Buffer;
  private readonly sealing: Buffer;
  private readonly blinding: Buffer;

  constructor(secret: Uint8Array) {
    const part = (use: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', `gryphgen redaction ${use}`, keyBytes));
    this.marking = part('pseudonyms');
    this.sealing = part('originals');
    this.blinding = part('hashes');
  }

  /** By which it is told from another, and by which nothing of it is known. */
  get check(): string {
    return this.hmac(this.blinding, 'check').slice(0, markerHex);
  }

  marker(kind: RedactedKind, subject: string): string {
    return this.hmac(this.marking, `${kind}\n${subject}`).slice(0, markerHex);
  }

  /** Of a file's content: a hash alone says what a short file has to who can guess it. */
  blind(hash: string): string {
    return this.hmac(this.blinding, `hash ${hash}`);
  }

  /** `name`: what it is kept by; sealed for that and for no other. */
  seal(name: string, text: string): Uint8Array {
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.sealing, nonce).setAAD(Buffer.from(name));
    const sealed = [sealing.update(text, 'utf8'), sealing.final()];
    return Buffer.concat([nonce, ...sealed, sealing.getAuthTag()]);
  }

  /** Undefined for what was not sealed by this key for this name. */
  open(name: string, sealed: Uint8Array): string | undefined {
    if (sealed.length < nonceBytes + tagBytes) return undefined;
    const bytes = Buffer.from(sealed);
    const opening = createDecipheriv(cipher, this.sealing, bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(-tagBytes));
    try {
      const text = opening.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8');
      return text + opening.final('utf8');
    } catch {
      // That the tag does not fit is all that it says.
      return undefined;
    }
  }

  private hmac(key: Buffer, text: string): string {
    return createHmac('sha256', key).update(text).digest('hex');
  }
}
