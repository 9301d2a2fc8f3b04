/**
 * Whose the artifacts of a store are, and what each may have there. Who brought one owns it, and so does whoever brings it
 * again: what two have is counted for both, in full.
 *
 *   owners/PRINCIPAL/DIGEST   an empty file
 *
 * 1. It counts from before its first byte comes: two that come at once do not both find room for one.
 * 2. Who is over the limit loses what they used longest ago, as the store itself lets go; what is held, was just brought, or
 *    is another's too stays in the store. Of the last they are the owner no more, unless it is held. Where that is not
 *    enough it is refused.
 * 3. What the store has let go of counts for nobody. What nobody is known to have brought (before there were owners) neither.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failure, formatBytes } from '@gryphgen/protocol';
import { namesIn } from '../missing.ts';
import { diskFailure } from './disk.ts';
import type { Manifest } from './manifest.ts';
import { Pieces, storedBytes } from './pieces.ts';
import type { Held } from './shelf.ts';
import type { ArtifactStore } from './store.ts';

export interface OwnersOptions {
  /** Of the store. */
  readonly folder: string;
  readonly store: Pick<ArtifactStore, 'has' | 'bytesOf' | 'usedMs' | 'letGo'>;
  readonly held: Held;
  /** Undefined: as much as there is room for. */
  readonly mostBytes: (owner: string) => number | undefined;
}

const ownerPattern = /^[\w-]{1,64}$/;

export class ArtifactOwners {
  private readonly options: OwnersOptions;
  /** Bytes by digest, by owner. */
  private readonly owned = new Map<string, Map<string, number>>();
  /** How often each is on its way, by `OWNER DIGEST`. */
  private readonly coming = new Map<string, number>();
  private admitting: Promise<unknown> = Promise.resolve();

  private constructor(options: OwnersOptions) {
    this.options = options;
  }

  /** Rejects with what the file system says. */
  static async open(options: OwnersOptions): Promise<ArtifactOwners> {
    const owners = new ArtifactOwners(options);
    const folder = join(options.folder, 'owners');
    for (const owner of await namesIn(folder))
      for (const name of await namesIn(join(folder, owner)))
        owners.note(owner, `sha256:${name}`, options.store.bytesOf(`sha256:${name}`) ?? 0);
    await owners.forgetGone();
    return owners;
  }

  /** What each has, of those that have any. */
  get stored(): Readonly<Record<string, number>> {
    const all = [...this.owned.keys()].map((owner): [string, number] => [owner, this.bytesOf(owner)]);
    return Object.fromEntries(all.filter(([, bytes]) => bytes > 0));
  }

  /** Null: from now on it is theirs, too, and on its way until `settle`. */
  admit(owner: string, manifest: Manifest): Promise<Failure | null> {
    // One after the other: what one makes room for another must not take.
    const admitting = this.admitting
      .then(() => this.judge(owner, manifest))
      .catch((error: unknown) => diskFailure(error));
    this.admitting = admitting;
    return admitting;
  }

  /** What was admitted is in the store now, or does not come. */
  settle(owner: string, digest: string): void {
    const key = `${owner} ${digest}`;
    const left = (this.coming.get(key) ?? 1) - 1;
    if (left > 0) this.coming.set(key, left);
    else this.coming.delete(key);
  }

  private async judge(owner: string, manifest: Manifest): Promise<Failure | null> {
    const { digest } = manifest;
    // Of a grant that names nobody.
    if (!ownerPattern.test(owner)) return null;
    await this.forgetGone();
    if (this.owned.get(owner)?.has(digest) !== true) {
      const bytes = bytesOf(manifest);
      const why = await this.makeRoom(owner, bytes);
      if (why !== null) return why;
      const folder = join(this.options.folder, 'owners', owner);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(join(folder, nameOf(digest)), '', { mode: 0o600 });
      this.note(owner, digest, bytes);
    }
    const key = `${owner} ${digest}`;
    this.coming.set(key, (this.coming.get(key) ?? 0) + 1);
    return null;
  }

  private async makeRoom(owner: string, bytes: number): Promise<Failure | null> {
    const { store, held, mostBytes } = this.options;
    const most = mostBytes(owner);
    if (most === undefined) return null;
    const lacks = (): boolean => this.bytesOf(owner) + bytes > most;
    if (bytes > most) return tooMuch(`this takes ${formatBytes(bytes)} alone`, owner, most);
    const own = [...(this.owned.get(owner)?.keys() ?? [])].sort(
      (a, b) => (store.usedMs(a) ?? 0) - (store.usedMs(b) ?? 0),
    );
    const needed = lacks() ? await held(own) : new Set<string>();
    for (const digest of own) {
      if (!lacks()) break;
      if (needed.has(digest) || this.coming.has(`${owner} ${digest}`)) continue;
      if (this.isOthersToo(owner, digest) || (await store.letGo(digest))) await this.forget(owner, digest);
    }
    if (!lacks()) return null;
    const has = `${formatBytes(this.bytesOf(owner))} are kept that unfinished tasks need or that came just now, and this takes ${formatBytes(bytes)}`;
    return tooMuch(has, owner, most);
  }

  private isOthersToo(owner: string, digest: string): boolean {
    for (const [other, digests] of this.owned) if (other !== owner && digests.has(digest)) return true;
    return false;
  }

  private bytesOf(owner: string): number {
    let sum = 0;
    for (const [digest, bytes] of this.owned.get(owner) ?? [])
      if (this.options.store.has(digest) || this.coming.has(`${owner} ${digest}`)) sum += bytes;
    return sum;
  }

  private async forgetGone(): Promise<void> {
    for (const [owner, digests] of this.owned)
      for (const digest of digests.keys())
        if (!this.options.store.has(digest) && !this.coming.has(`${owner} ${digest}`))
          await this.forget(owner, digest);
  }

  private async forget(owner: string, digest: string): Promise<void> {
    this.owned.get(owner)?.delete(digest);
    if (this.owned.get(owner)?.size === 0) this.owned.delete(owner);
    await rm(join(this.options.folder, 'owners', owner, nameOf(digest)), { force: true });
  }

  private note(owner: string, digest: string, bytes: number): void {
    const digests = this.owned.get(owner) ?? new Map<string, number>();
    digests.set(digest, bytes);
    this.owned.set(owner, digests);
  }
}

function bytesOf(manifest: Manifest): number {
  const { contents } = new Pieces(manifest);
  return contents.reduce((sum, content) => sum + storedBytes(content), manifest.encoded.length);
}

function tooMuch(has: string, owner: string, most: number): Failure {
  const words = `${owner} may keep ${formatBytes(most)} of files beside the broker (storedBytes of its principalLimits): ${has}`;
  return failure('rejected.limit', words);
}

function nameOf(digest: string): string {
  return digest.replace(/^sha256:/, '');
}
