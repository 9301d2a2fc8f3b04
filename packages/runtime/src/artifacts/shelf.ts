/**
 * What is whole in a store: manifests, and the contents that they name, each once. A content stays for as long as one of
 * them names it, or somebody has borrowed it.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { syncFolder } from './disk.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { Pieces, storedBytes } from './pieces.ts';
import { removeTree } from './tree.ts';

/** What was brought just now is about to be asked for: it does not go before that. */
const freshMs = 60_000;
const digestPattern = /^[0-9a-f]{64}$/;

interface Kept {
  readonly contents: readonly string[];
  readonly manifestBytes: number;
  usedMs: number;
}

interface KeptFile {
  refs: number;
  readonly bytes: number;
}

export type Held = (digests: readonly string[]) => ReadonlySet<string> | Promise<ReadonlySet<string>>;

export class Shelf {
  /** On disk, holes not counted. */
  bytes = 0;
  collected = 0;
  private readonly folder: string;
  private readonly clock: Clock;
  private readonly kept = new Map<string, Kept>();
  private readonly files = new Map<string, KeptFile>();
  /** How often each is being read. */
  private readonly readers = new Map<string, number>();

  constructor(folder: string, clock: Clock) {
    this.folder = folder;
    this.clock = clock;
  }

  has(digest: string): boolean {
    return this.kept.has(digest);
  }

  fileOf(id: string): string {
    return join(this.folder, 'files', id);
  }

  /** Contents that take so many bytes on disk. */
  *filesFrom(leastBytes: number): Generator<{ readonly id: string; readonly bytes: number }> {
    for (const [id, { bytes }] of this.files) if (bytes >= leastBytes) yield { id, bytes };
  }

  place(kind: 'artifacts' | 'partial' | 'trees', digest: string): string {
    const name = digest.replace(/^sha256:/, '');
    if (!digestPattern.test(name)) throw new Error(`${digest} names no artifact`);
    return join(this.folder, kind, name);
  }

  /** It counts as used. Undefined when it is not here. */
  async manifest(digest: string): Promise<Manifest | undefined> {
    if (!(await this.use(digest))) return undefined;
    const read = readManifest(await readFile(this.place('artifacts', digest)));
    return 'code' in read ? undefined : read;
  }

  /** False when it is not here. */
  async use(digest: string): Promise<boolean> {
    const kept = this.kept.get(digest);
    if (kept === undefined) return false;
    kept.usedMs = this.clock.wall();
    const seconds = kept.usedMs / 1000;
    // What it is for: who goes first after a restart.
    await utimes(this.place('artifacts', digest), seconds, seconds).catch(() => undefined);
    return this.kept.has(digest);
  }

  /** All its contents are in their places. */
  async add(manifest: Manifest): Promise<void> {
    const place = this.place('artifacts', manifest.digest);
    const draft = `${place}.tmp`;
    const file = await open(draft, 'w', 0o400);
    try {
      await file.writeFile(manifest.encoded);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, place);
    await syncFolder(join(this.folder, 'artifacts'));
    this.note(manifest, this.clock.wall());
  }

  /** Whether the content is here; then it stays until it is let go. */
  borrow(id: string): boolean {
    const file = this.files.get(id);
    if (file !== undefined) file.refs += 1;
    return file !== undefined;
  }

  async letGo(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const file = this.files.get(id);
      if (file === undefined) continue;
      file.refs -= 1;
      if (file.refs > 0) continue;
      this.files.delete(id);
      this.bytes -= file.bytes;
      await rm(this.fileOf(id), { force: true });
    }
  }

  /** What is read stays meanwhile. */
  async *reading(digest: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    this.readers.set(digest, (this.readers.get(digest) ?? 0) + 1);
    try {
      yield* bytes;
    } finally {
      const others = (this.readers.get(digest) ?? 1) - 1;
      if (others > 0) this.readers.set(digest, others);
      else this.readers.delete(digest);
    }
  }

  /** Least recently used first, until so many bytes are free or nothing more may go. Returns how many are. */
  async collect(wantedBytes: number, held: Held): Promise<number> {
    const before = this.bytes;
    await this.letGoWhile(() => before - this.bytes < wantedBytes, freshMs, held);
    return before - this.bytes;
  }

  /** On disk, what it shares with others included; undefined when it is not here. */
  bytesOf(digest: string): number | undefined {
    const kept = this.kept.get(digest);
    return kept?.contents.reduce((sum, id) => sum + (this.files.get(id)?.bytes ?? 0), kept.manifestBytes);
  }

  /** Undefined when it is not here. */
  usedMs(digest: string): number | undefined {
    return this.kept.get(digest)?.usedMs;
  }

  /** One that nothing under way needs: false where it was used just now, or is being read. */
  async letGoOne(digest: string): Promise<boolean> {
    if (!this.mayGo(digest, this.clock.wall() - freshMs)) return false;
    await this.remove(digest);
    return true;
  }

  /** What was used last so long ago goes, if it may. */
  async letGoUnused(unusedMs: number, held: Held): Promise<void> {
    await this.letGoWhile(() => true, Math.max(unusedMs, freshMs), held);
  }

  private async letGoWhile(isWanted: () => boolean, unusedMs: number, held: Held): Promise<void> {
    const newest = this.clock.wall() - unusedMs;
    const mayGo = (digest: string): boolean => this.mayGo(digest, newest);
    const going = [...this.kept]
      .filter(([digest]) => mayGo(digest))
      .sort(([, a], [, b]) => a.usedMs - b.usedMs)
      .map(([digest]) => digest);
    if (going.length === 0) return;
    const needed = await held(going);
    for (const digest of going) {
      if (!isWanted()) break;
      // Somebody may have been told meanwhile that it is here.
      if (!needed.has(digest) && mayGo(digest)) await this.remove(digest);
    }
  }

  private mayGo(digest: string, newestMs: number): boolean {
    return (this.kept.get(digest)?.usedMs ?? Infinity) <= newestMs && !this.readers.has(digest);
  }

  private async remove(digest: string): Promise<void> {
    const kept = this.kept.get(digest);
    if (kept === undefined) return;
    this.kept.delete(digest);
    this.collected += 1;
    await unlink(this.place('artifacts', digest));
    this.bytes -= kept.manifestBytes;
    await removeTree(this.place('trees', digest));
    await this.letGo(kept.contents);
  }

  private note(manifest: Manifest, usedMs: number): void {
    const { contents } = new Pieces(manifest);
    for (const content of contents) {
      if (this.borrow(content.id)) continue;
      const bytes = storedBytes(content);
      this.files.set(content.id, { refs: 1, bytes });
      this.bytes += bytes;
    }
    const manifestBytes = manifest.encoded.length;
    this.bytes += manifestBytes;
    this.kept.set(manifest.digest, { contents: contents.map(({ id }) => id), manifestBytes, usedMs });
  }

  /** What a crash left in between goes. */
  async load(): Promise<void> {
    for (const kind of ['artifacts', 'files', 'partial', 'trees'])
      await mkdir(join(this.folder, kind), { recursive: true, mode: 0o711 });
    for (const name of await readdir(join(this.folder, 'artifacts'))) {
      const path = join(this.folder, 'artifacts', name);
      const { mtimeMs } = await stat(path);
      const read = readManifest(await readFile(path));
      // A draft of a crash, or what the disk has spoilt.
      if ('code' in read || read.digest !== `sha256:${name}` || !(await this.isWhole(read)))
        await unlink(path);
      else this.note(read, mtimeMs);
    }
    for (const id of await readdir(join(this.folder, 'files')))
      if (!this.files.has(id)) await rm(this.fileOf(id), { force: true });
    for (const name of await readdir(join(this.folder, 'trees')))
      if (!this.kept.has(`sha256:${name}`)) await removeTree(join(this.folder, 'trees', name));
  }

  /** By the sizes of its files: what is in them was checked as it came, and is checked again by whoever it is sent to. */
  private async isWhole(manifest: Manifest): Promise<boolean> {
    for (const { id, entry } of new Pieces(manifest).contents) {
      const found = await stat(this.fileOf(id)).catch(() => undefined);
      if (found?.size !== entry.bytes) return false;
    }
    return true;
  }
}
