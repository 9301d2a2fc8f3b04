/**
 * Which collections are redacted, and how. Each has a key of its own in a file, which goes with the collection.
 *
 * 1. What is looked for is settled before a collection has any file: it holds for all that is in it.
 * 2. A key that is gone is not made anew: pseudonyms would be others, and what they stand for is lost for good.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path/posix';
import {
  type Failure,
  failure,
  type IngestBody,
  type RedactResult,
  type RevealResult,
} from '@gryphgen/protocol';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { unusableName } from '../core/redact/names.ts';
import { unredacted } from '../service/refusals.ts';
import type { Roots } from '../service/roots.ts';
import type { Store } from '../store/store.ts';
import { pseudonymsIn, Redaction, type RedactionTerms, revealed } from './redaction.ts';
import { keyBytes, RedactionKey } from './redaction-key.ts';

type Setting = Extract<IngestBody, { op: 'redact' }>;

/** What the names are sealed by. */
const sealedNames = 'names';

export class Redactions {
  private readonly folder: string;
  private readonly roots: Roots;
  private readonly known = new Map<string, Redaction>();

  /** `folder`: of the keys alone. */
  constructor(folder: string, roots: Roots) {
    this.folder = folder;
    this.roots = roots;
  }

  /** Undefined where texts are kept as they are. */
  async of(collection: string): Promise<Redaction | Failure | undefined> {
    const kept = this.roots.redactionOf(collection);
    if (kept === undefined) return undefined;
    const known = this.known.get(collection);
    if (known !== undefined) return known;
    const secret = await this.secretOf(collection);
    const key = secret && new RedactionKey(secret);
    if (secret === undefined || key?.check !== kept.check) return this.lost(collection);
    const names = kept.names === '' ? '[]' : key.open(sealedNames, Buffer.from(kept.names, 'base64'));
    if (names === undefined) return this.lost(collection);
    const redaction = new Redaction({ kinds: kept.kinds, names: JSON.parse(names) as string[], secret });
    this.known.set(collection, redaction);
    return redaction;
  }

  /** Nothing was brought to the collection yet, or the same is in force. */
  async set({ collection, kinds, names = [] }: Setting, store: Store): Promise<RedactResult | Failure> {
    const wrong = names.map(unusableName).findIndex((why) => why !== undefined);
    if (wrong !== -1)
      return failure(
        'rejected.invalid',
        `name ${wrong + 1} of the list: ${unusableName(names[wrong] as string)}`,
      );
    const terms = { kinds: [...new Set(kinds)].sort(), names: [...new Set(names)].sort() };
    const result = { kinds: terms.kinds, names: terms.names.length };
    const before = await this.of(collection);
    if (before instanceof Redaction && isAlike(before.terms, terms)) return result;
    if ((await store.sources(collection)).length > 0) return this.settled(collection, terms.names);
    // What was there by this name before, and was removed, may still lie in the file.
    await store.purge();
    const secret = randomBytes(keyBytes);
    const key = new RedactionKey(secret);
    await this.keep(collection, secret);
    const sealed = key.seal(sealedNames, JSON.stringify(terms.names));
    const kept = { kinds: terms.kinds, names: Buffer.from(sealed).toString('base64'), check: key.check };
    await this.roots.redact(collection, kept);
    this.known.delete(collection);
    return result;
  }

  /** The text with what its pseudonyms stand for; at most `maxBytes` of JSON. */
  async reveal(
    collection: string,
    text: string,
    store: Store,
    maxBytes: number,
  ): Promise<RevealResult | Failure> {
    const redaction = await this.of(collection);
    if (redaction === undefined) return unredacted(collection);
    if ('code' in redaction) return redaction;
    const result = revealed(text, redaction, await store.pseudonyms(collection, pseudonymsIn(text)));
    if (Buffer.byteLength(JSON.stringify(result)) <= maxBytes) return result;
    return failure('rejected.limit', `what it stands for is over ${maxBytes} bytes: give it in parts`);
  }

  /** Its key; undefined where it has none, or none that is its own. */
  async secretFor(collection: string): Promise<Uint8Array | undefined> {
    const redaction = await this.of(collection);
    return redaction instanceof Redaction ? await this.secretOf(collection) : undefined;
  }

  /** Of a collection that comes from elsewhere, before anything of it is here. */
  async keep(collection: string, secret: Uint8Array): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await replacePrivateFile(this.fileOf(collection), `${Buffer.from(secret).toString('hex')}\n`);
    this.known.delete(collection);
  }

  /** The collection is gone: nobody can tell any more what its pseudonyms stand for. */
  async drop(collection: string): Promise<void> {
    this.known.delete(collection);
    await rm(this.fileOf(collection), { force: true });
  }

  private settled(collection: string, names: readonly string[]): Failure {
    const kinds = this.roots.redactionOf(collection)?.kinds;
    const found = kinds === undefined ? 'with nothing taken out' : `with ${kinds.join(', ')} taken out`;
    const other = names.length > 0 && kinds?.includes('name') ? ' and other names' : '';
    return failure(
      'rejected.state',
      `${collection} has files that were read ${found}${other}: "grid rag rm ${collection}", then add them again`,
    );
  }

  private lost(collection: string): Failure {
    return failure(
      'rejected.state',
      `the key that ${collection} is redacted by is gone or another, expected it in ${this.fileOf(collection)}: ` +
        `nobody can tell what its pseudonyms stand for; "grid rag rm ${collection}", then add its files again`,
    );
  }

  private async secretOf(collection: string): Promise<Uint8Array | undefined> {
    const text = await readFile(this.fileOf(collection), 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    return text && /^[0-9a-f]{64}\n?$/.test(text) ? Buffer.from(text.trim(), 'hex') : undefined;
  }

  private fileOf(collection: string): string {
    return join(this.folder, `${collection}.key`);
  }
}

type Looked = Pick<RedactionTerms, 'kinds' | 'names'>;

function isAlike(a: Looked, b: Looked): boolean {
  return JSON.stringify([a.kinds, a.names]) === JSON.stringify([b.kinds, b.names]);
}
