/**
 * Artifacts on this machine's disk, each content once: beside the broker those that were brought, on a worker those its
 * tasks had or made.
 *
 *   artifacts/DIGEST        a manifest; its being there says that all of the artifact is
 *   files/ID                a content, read-only; holes in it are holes
 *   partial/DIGEST/ID       what has come of an artifact that is under way
 *   trees/DIGEST            an artifact that is a folder, laid out with links to its files
 *
 * 1. A file gets its place by a rename when all of it was checked and is on disk, a manifest when all its files have
 *    theirs: a crash leaves an artifact whole or not there. What had come of one by then is checked again and gone on
 *    with when it is wanted within `partialMs`, else removed at the next start.
 * 2. It takes no more than its budget, what is under way included. What is used goes last; what is held never goes, also
 *    where what nobody used for long is let go (`watchAge`).
 * 3. There is one intake of an artifact at a time; who wants the same waits for its end.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failure } from '@gryphgen/protocol';
import type { Clock } from '../clock.ts';
import type { DirectMemory } from './direct-writes.ts';
import { diskFailure, freeBytes } from './disk.ts';
import { ArtifactIntake } from './intake.ts';
import type { Manifest } from './manifest.ts';
import { Pieces, type Runs } from './pieces.ts';
import { readPieces } from './read-pieces.ts';
import { type Held, Shelf } from './shelf.ts';
import { layOut } from './tree.ts';

const partialMs = 24 * 3600_000;
/** Left free on the disk whatever the budget says. */
const spareBytes = 256 * 1024 * 1024;
const blockBytes = 512;

export interface StoreOptions {
  readonly folder: string;
  readonly budgetBytes: number;
  readonly clock: Clock;
  /** Which of these something needs that is under way: they stay. */
  readonly held: Held;
  /** Large files are written past the page cache, from this; absent: through it, where who uses them here finds them. */
  readonly direct?: DirectMemory;
  /** Of the disk that a folder is on; absent: what the system says. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export class ArtifactStore {
  readonly counters = { taken: 0, takenBytes: 0, wrong: 0, full: 0 };
  private readonly options: StoreOptions;
  private readonly shelf: Shelf;
  private readonly intakes = new Map<string, Promise<void>>();
  /** What came of artifacts whose intake was cut, in bytes; the one cut longest ago first. */
  private readonly cut = new Map<string, number>();
  private cutBytes = 0;
  private readonly layouts = new Map<string, Promise<void>>();
  /** For what is under way. */
  private reserved = 0;
  /** Those that have reserved. */
  private readonly arriving = new Set<ArtifactIntake>();
  private making: Promise<unknown> = Promise.resolve();

  private constructor(options: StoreOptions) {
    this.options = options;
    this.shelf = new Shelf(options.folder, options.clock);
  }

  /** Rejects with what the file system says. */
  static async open(options: StoreOptions): Promise<ArtifactStore> {
    const store = new ArtifactStore(options);
    await store.shelf.load();
    await store.loadCut();
    return store;
  }

  get usedBytes(): number {
    return this.shelf.bytes + this.cutBytes;
  }

  /** Artifacts that went to make room, or by their age. */
  get collected(): number {
    return this.shelf.collected;
  }

  has(digest: string): boolean {
    return this.shelf.has(digest);
  }

  /** On disk; undefined when it is not here. */
  bytesOf(digest: string): number | undefined {
    return this.shelf.bytesOf(digest);
  }

  /** When it was used last, by the wall clock; undefined when it is not here. */
  usedMs(digest: string): number | undefined {
    return this.shelf.usedMs(digest);
  }

  /** One that nothing under way needs. False: it stays, since it was used just now. Rejects with what the file system says. */
  async letGo(digest: string): Promise<boolean> {
    const letting = this.making.then(() => this.shelf.letGoOne(digest));
    this.making = letting.catch(() => undefined);
    return await letting;
  }

  /** All of it is here; undefined when it is not. It counts as used. */
  manifest(digest: string): Promise<Manifest | undefined> {
    return this.shelf.manifest(digest);
  }

  /** The chunks of these runs; a failure when it is not here, or the runs are not of it. */
  async read(digest: string, runs: Runs): Promise<AsyncIterable<Uint8Array> | Failure> {
    const manifest = await this.manifest(digest);
    if (manifest === undefined) return notHere(digest);
    const pieces = new Pieces(manifest);
    const numbers = pieces.numbers(runs);
    if (numbers === undefined) return failure('rejected.invalid', 'these chunks are not of that artifact');
    const wanted = numbers.map((number) => pieces.piece(number));
    return this.shelf.reading(
      digest,
      readPieces(wanted, (id) => this.fileOf(id)),
    );
  }

  /** To be told its chunks, or `null` when all of it is here. Waits for another intake of the same. A failure when there is no room. */
  async begin(manifest: Manifest): Promise<ArtifactIntake | Failure | null> {
    const { digest } = manifest;
    for (let other = this.intakes.get(digest); other !== undefined; other = this.intakes.get(digest))
      await other;
    if (this.shelf.has(digest)) {
      await this.shelf.use(digest);
      return null;
    }
    const intake = this.newIntake(manifest);
    const noRoom = await this.roomFor(intake).catch((error: unknown) => diskFailure(error));
    if (noRoom === null) return intake;
    this.counters.full += 1;
    await intake.abandon();
    return noRoom;
  }

  private newIntake(manifest: Manifest): ArtifactIntake {
    const { digest } = manifest;
    const borrowed: string[] = [];
    let tellEnd: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      tellEnd = resolve;
    });
    this.intakes.set(digest, ended);
    this.noteCut(digest, 0);
    const intake = new ArtifactIntake(manifest, {
      files: join(this.options.folder, 'files'),
      partial: this.shelf.place('partial', digest),
      ...(this.options.direct && { direct: this.options.direct }),
      borrow: (id) => {
        const isHere = this.shelf.borrow(id);
        if (isHere) borrowed.push(id);
        return isHere;
      },
      keep: async () => {
        await this.shelf.add(manifest);
        this.counters.taken += 1;
        this.counters.takenBytes += manifest.bytes;
      },
      over: async ({ wasWrong, roomBytes, leftBytes }) => {
        if (wasWrong) this.counters.wrong += 1;
        this.reserved -= roomBytes;
        this.arriving.delete(intake);
        this.noteCut(digest, leftBytes);
        await this.shelf.letGo(borrowed);
        this.intakes.delete(digest);
        tellEnd();
      },
    });
    return intake;
  }

  /**
   * Where the artifact can be mounted from: a file, or a folder. It is to be held for as long as that is used.
   * Undefined when it is not here.
   */
  async path(digest: string): Promise<string | undefined> {
    const manifest = await this.manifest(digest);
    if (manifest === undefined) return undefined;
    const [first] = manifest.entries;
    if (first?.path === '') return this.fileOf(new Pieces(manifest).contentAt('').id);
    const tree = this.shelf.place('trees', digest);
    const laying = this.layouts.get(digest) ?? this.layOut(manifest, tree);
    this.layouts.set(digest, laying);
    await laying.finally(() => this.layouts.delete(digest));
    return tree;
  }

  private async layOut(manifest: Manifest, tree: string): Promise<void> {
    const isThere = (await stat(tree).catch(() => undefined)) !== undefined;
    if (!isThere) await layOut(manifest, (id) => this.fileOf(id), tree);
  }

  /** Where the contents of an artifact are that is here. */
  sourcesOf(manifest: Manifest): ReadonlyMap<string, string> {
    return new Map(new Pieces(manifest).contents.map(({ id }) => [id, this.fileOf(id)]));
  }

  /** Contents that take so many bytes on disk. */
  filesFrom(leastBytes: number): Iterable<{ readonly id: string; readonly bytes: number }> {
    return this.shelf.filesFrom(leastBytes);
  }

  /** Where a content is, for who copies it. */
  fileOf(id: string): string {
    return this.shelf.fileOf(id);
  }

  private async roomFor(intake: ArtifactIntake): Promise<Failure | null> {
    await intake.look();
    // One after the other: what one frees another must not count on.
    const making = this.making.then(() => this.makeRoom(intake));
    this.making = making.catch(() => undefined);
    return await making;
  }

  private async makeRoom(intake: ArtifactIntake): Promise<Failure | null> {
    const { budgetBytes, folder, freeBytes: free = freeBytes } = this.options;
    const bytes = intake.reserve();
    this.reserved += bytes;
    this.arriving.add(intake);
    if (bytes > budgetBytes) {
      const words = `the artifact takes ${bytes} bytes, the store has room for ${budgetBytes} in all`;
      return failure('rejected.limit', words);
    }
    const over = this.usedBytes + this.reserved - budgetBytes;
    if (over > 0 && !(await this.collect(over))) {
      const words = `the store is full: of its ${budgetBytes} bytes ${this.usedBytes} are in use and held, ${bytes} are wanted`;
      return failure('rejected.limit', words);
    }
    // What others were promised is not on the disk yet, and is free no more.
    const unwritten = [...this.arriving].reduce((sum, each) => sum + each.unwrittenBytes, 0);
    const lacking = unwritten + spareBytes - (await free(folder));
    if (lacking <= 0 || (await this.collect(lacking))) return null;
    return failure(
      'rejected.limit',
      `the disk has no room: ${bytes} bytes are wanted, ${lacking} more than are free`,
    );
  }

  /** What was used last so long ago goes. Rejects with what the file system says. */
  async letGoUnused(unusedMs: number): Promise<void> {
    // Beside no other: what one frees another must not count on.
    const letting = this.making.then(() => this.shelf.letGoUnused(unusedMs, this.options.held));
    this.making = letting.catch(() => undefined);
    await letting;
  }

  /** What was cut, then what was used longest ago. False when that is not enough. */
  private async collect(wantedBytes: number): Promise<boolean> {
    let left = wantedBytes;
    for (const [digest, bytes] of this.cut) {
      if (left <= 0) break;
      if (this.intakes.has(digest)) continue;
      this.noteCut(digest, 0);
      await rm(this.shelf.place('partial', digest), { recursive: true, force: true });
      left -= bytes;
    }
    return left <= 0 || (await this.shelf.collect(left, this.options.held)) >= left;
  }

  private noteCut(digest: string, bytes: number): void {
    this.cutBytes += bytes - (this.cut.get(digest) ?? 0);
    this.cut.delete(digest);
    if (bytes > 0) this.cut.set(digest, bytes);
  }

  private async loadCut(): Promise<void> {
    const { folder, clock } = this.options;
    for (const name of await readdir(join(folder, 'partial'))) {
      const path = join(folder, 'partial', name);
      const { mtimeMs } = await stat(path);
      if (clock.wall() - mtimeMs > partialMs) await rm(path, { recursive: true, force: true });
      else this.noteCut(`sha256:${name}`, await bytesIn(path));
    }
  }
}

export function notHere(digest: string): Failure {
  return failure('rejected.not-found', `the artifact ${digest} is not in this store (any more)`);
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).blocks * blockBytes;
  return bytes;
}
