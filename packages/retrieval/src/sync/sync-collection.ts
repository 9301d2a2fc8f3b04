/**
 * Makes a collection what its origin is: by the files' keys, and the hash of what is in them.
 *
 * 1. What did not change is not written again. What is gone from the origin goes; a file under a new name replaces the old
 *    one in the same commit.
 * 2. A file that cannot be read or parsed is kept by name with the cause, without its old content, and tried again each time.
 * 3. An interrupted sync leaves whole files; the next one does the rest. One at a time for a collection.
 * 4. Memory: two batches of files, `ahead` more, and a name for each file.
 * 5. Files are read and parsed a few at once, and taken in their order: what comes of a sync does not depend on which was first.
 */
import { createHash } from 'node:crypto';
import type { DocumentParser, ParsedDocument } from '../parse/parse-document.ts';
import type { SealedPseudonym, Source, SourceChange, SourceState, Store } from '../store/store.ts';
import type { Origin, OriginFile } from './origin.ts';

export interface SyncOptions {
  readonly store: Store;
  readonly collection: string;
  readonly origin: Origin;
  readonly parser: Pick<DocumentParser, 'parse'>;
  /** Which sources of the collection are this origin's. Default: all. */
  readonly owns?: (key: string) => boolean;
  /** Aborted: what is done stays done, and the sync rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Files that are read and parsed at once. Default 1. */
  readonly atOnce?: number;
  /** Applied together, in bytes of files. Default 4 MiB. */
  readonly batchBytes?: number;
  readonly onProgress?: (progress: SyncProgress) => void;
}

export interface SyncProgress {
  readonly done: number;
  readonly files: number;
}

export interface SyncReport {
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
  readonly failed: readonly { readonly key: string; readonly path: string; readonly cause: string }[];
  /** What was ingested, but not as it should be. */
  readonly notes: readonly { readonly path: string; readonly note: string }[];
}

const BATCH_BYTES = 4 * 1024 ** 2;

/** Rejects with StoreError, and with what the origin's list throws. */
export async function syncCollection(options: SyncOptions): Promise<SyncReport> {
  const { store, collection, origin, onProgress, owns = () => true, signal, atOnce = 1 } = options;
  const own = (await store.sources(collection)).filter(({ key }) => owns(key));
  const known = new Map(own.map((state) => [state.key, state]));
  const files: OriginFile[] = [];
  for await (const file of origin.list()) files.push(file);
  // Alike at every sync, whatever order a folder is listed in.
  files.sort((a, b) => (a.key < b.key ? -1 : 1));
  const sync = new Sync(options, known, files);
  const ahead: Promise<Looked>[] = [];
  for (const [done, file] of files.entries()) {
    for (let next = done + ahead.length; ahead.length < atOnce && next < files.length; next += 1) {
      const looked = sync.look(files[next] as OriginFile);
      // It is awaited in its turn; when the sync is given up before, nobody asks what became of it.
      looked.catch(() => undefined);
      ahead.push(looked);
    }
    if (signal?.aborted) {
      await Promise.allSettled(ahead);
      await sync.settled();
      throw signal.reason;
    }
    await sync.take(file, await (ahead.shift() as Promise<Looked>));
    onProgress?.({ done: done + 1, files: files.length });
  }
  return sync.end();
}

/** What a file is now. */
type Looked =
  | { readonly kind: 'unchanged' | 'gone' }
  | { readonly kind: 'failed'; readonly cause: string; readonly hash: string }
  | {
      readonly kind: 'parsed';
      readonly hash: string;
      readonly bytes: number;
      readonly document: Extract<ParsedDocument, { kind: 'parsed' }>;
    };

class Sync {
  readonly #options: SyncOptions;
  readonly #known: ReadonlyMap<string, SourceState>;
  readonly #gone: Map<string, SourceState>;
  /** A gone source by its content: where a file with a new name may be from. */
  readonly #goneByHash: Map<string, string>;
  #changes: SourceChange[] = [];
  #bytes = 0;
  #applying: Promise<void> = Promise.resolve();
  readonly #counts = { added: 0, changed: 0, unchanged: 0, removed: 0 };
  readonly #failed: { key: string; path: string; cause: string }[] = [];
  readonly #notes: { path: string; note: string }[] = [];

  constructor(options: SyncOptions, known: ReadonlyMap<string, SourceState>, files: readonly OriginFile[]) {
    this.#options = options;
    this.#known = known;
    this.#gone = new Map(known);
    for (const { key } of files) this.#gone.delete(key);
    this.#goneByHash = new Map([...this.#gone.values()].map(({ hash, key }) => [hash, key]));
  }

  /** Changes nothing: several are looked at at once. */
  async look(file: OriginFile): Promise<Looked> {
    const { key, path, revision = null } = file;
    const before = this.#known.get(key);
    const isBefore = (hash: string): boolean =>
      before?.hash === hash && before.cause === null && before.revision === revision;
    if (file.hash !== undefined && isBefore(file.hash)) return { kind: 'unchanged' };
    if (file.unreadable !== undefined) return { kind: 'failed', cause: file.unreadable, hash: '' };
    const found = await this.#options.origin.read(key);
    if (found.kind === 'gone') return { kind: 'gone' };
    if (found.kind === 'failed') return { kind: 'failed', cause: found.cause, hash: '' };
    const hash = file.hash ?? createHash('sha256').update(found.bytes).digest('hex');
    if (isBefore(hash)) return { kind: 'unchanged' };
    const { byteLength: bytes } = found.bytes;
    const document = await this.#options.parser.parse(path, found.bytes);
    if (document.kind === 'refused') return { kind: 'failed', cause: document.reason, hash };
    return { kind: 'parsed', hash, bytes, document };
  }

  async take(file: OriginFile, looked: Looked): Promise<void> {
    const { key, path, revision = null } = file;
    const before = this.#known.get(key);
    switch (looked.kind) {
      case 'unchanged':
        this.#counts.unchanged += 1;
        return;
      case 'gone':
        if (before !== undefined) this.#gone.set(key, before);
        return;
      case 'failed':
        return await this.#fail(
          { key, path, title: null, revision, hash: looked.hash },
          looked.cause,
          file.pseudonyms,
        );
      case 'parsed': {
        const { hash, bytes, document } = looked;
        const { title, chunks, notes } = document;
        for (const note of notes) this.#notes.push({ path, note });
        this.#counts[before === undefined ? 'added' : 'changed'] += 1;
        const moved = before === undefined ? this.#goneByHash.get(hash) : undefined;
        if (moved !== undefined) this.#remove(moved);
        const pseudonyms = [...(file.pseudonyms ?? []), ...(document.pseudonyms ?? [])];
        const source = { key, path, title, revision, hash };
        await this.#add({ kind: 'put', source, chunks, pseudonyms }, bytes);
        return;
      }
      default:
        looked satisfies never;
    }
  }

  /** What was begun to be written has been, or has failed: whoever asks gives the sync up. */
  async settled(): Promise<void> {
    await this.#applying.catch(() => undefined);
  }

  async end(): Promise<SyncReport> {
    for (const key of [...this.#gone.keys()]) this.#remove(key);
    await this.#flush();
    await this.#applying;
    return { ...this.#counts, failed: this.#failed, notes: this.#notes };
  }

  async #fail(source: Source, cause: string, pseudonyms: readonly SealedPseudonym[] = []): Promise<void> {
    this.#failed.push({ key: source.key, path: source.path, cause });
    await this.#add({ kind: 'fail', source, cause, pseudonyms }, 0);
  }

  #remove(key: string): void {
    if (!this.#gone.delete(key)) return;
    this.#counts.removed += 1;
    this.#changes.push({ kind: 'remove', key });
  }

  async #add(change: SourceChange, bytes: number): Promise<void> {
    this.#changes.push(change);
    this.#bytes += bytes;
    if (this.#bytes >= (this.#options.batchBytes ?? BATCH_BYTES)) await this.#flush();
  }

  /** One batch is written while the next is parsed. */
  async #flush(): Promise<void> {
    await this.#applying;
    const changes = this.#changes;
    this.#changes = [];
    this.#bytes = 0;
    if (changes.length === 0) return;
    this.#applying = this.#options.store.apply(this.#options.collection, changes);
    // It is awaited by the next flush or at the end: until then a failure is not an unhandled one.
    this.#applying.catch(() => undefined);
  }
}
