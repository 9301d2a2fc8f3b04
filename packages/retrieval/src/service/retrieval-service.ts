/**
 * SYMORG: collections of passages, kept up to date and asked. Everything of a worker's collections is in one folder.
 *
 * 1. A file is known by its machine and path. What is not in the source any more is gone from the collection when `sync`
 *    resolves; a `sync` that was cut off is gone on with by the next one.
 * 2. Changes are made one after the other; questions wait for none of them.
 * 3. What cannot be read is in the collection as such, with the cause, and is tried again by each `sync`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path/posix';
import {
  type CandidatesResult,
  type EmbedResult,
  type FailedResult,
  type Failure,
  type ForgetResult,
  failure,
  type IngestBody,
  type IngestResult,
  type ListResult,
  type QueryResult,
  type RedactResult,
  type RetrieveBody,
  type RevealResult,
  type SourceName,
  type StatisticsResult,
  type UnembeddedResult,
  type WeightsResult,
} from '@gryphgen/protocol';
import { ParserPool } from '../parse/parser-pool.ts';
import { Redaction } from '../redact/redaction.ts';
import { Redactions } from '../redact/redactions.ts';
import { openSqliteStore, type SqliteStoreOptions } from '../store/sqlite-store.ts';
import type * as stored from '../store/store.ts';
import { AccessBook } from './access-book.ts';
import { type Asked, answerCandidates, answerQuery, answerStatistics } from './answer-query.ts';
import { bringFiles, type Ingesting } from './bring-files.ts';
import { CopyKey } from './copy-key.ts';
import { failedFiles } from './failed-files.ts';
import { isOf, isSource } from './file-key.ts';
import { forgetSubject, type Shows } from './forget-subject.ts';
import type { SourceFile } from './given-files.ts';
import { HeldShards } from './held-shards.ts';
import { Learning } from './learning.ts';
import { listed } from './listed.ts';
import { Meaning } from './meaning.ts';
import { meantFile } from './meant-file.ts';
import { told, unknown, unredacted } from './refusals.ts';
import { type Beginning, Roots } from './roots.ts';
import { ShardCopies } from './shard-copies.ts';
import { ShardEpochs } from './shard-epochs.ts';

type Asks<O extends RetrieveBody['op']> = Extract<RetrieveBody, { op: O }>;
type Changes<O extends IngestBody['op']> = Extract<IngestBody, { op: O }>;
type Kept = readonly [Roots, ShardEpochs, CopyKey];
const all: Shows = () => true;

export class RetrievalService {
  /** Who may: whoever answers for others asks it first. */
  readonly access: AccessBook;
  /** Which of them are here, and as of which owner epoch: asked first, too. */
  readonly shards: HeldShards;
  /** Of shards that others own, and for others. */
  readonly copies: ShardCopies;
  private readonly folder: string;
  private readonly place: SqliteStoreOptions;
  private readonly roots: Roots;
  private readonly redactions: Redactions;
  private store: Promise<stored.Store> | undefined;
  private readonly learning = new Learning(() => this.opened());
  private readonly meaning = new Meaning(() => this.opened());
  private readonly parser = new ParserPool();
  private last: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, memoryBytes: number | undefined, [roots, epochs, copyKey]: Kept) {
    this.folder = folder;
    this.place = { path: join(folder, 'passages.sqlite'), memoryBytes };
    this.roots = roots;
    this.shards = new HeldShards(epochs, {
      names: () => this.names,
      drop: (unit) => this.remove(unit, undefined),
    });
    this.access = new AccessBook(roots);
    this.redactions = new Redactions(join(folder, 'keys'), roots);
    this.copies = new ShardCopies({
      ...{ folder, roots, copyKey, redactions: this.redactions, shards: this.shards },
      opened: () => this.opened(),
      inTurn: (work) => this.access.inTurn(() => this.inTurn(work)),
      drop: (unit) => this.drop(unit),
      changed: (unit) => this.learning.forget(unit),
    });
  }

  /** Rejects when what is in the folder cannot be used. The store itself is opened when something asks for it, with so much memory. */
  static async open(folder: string, memoryBytes?: number): Promise<RetrievalService> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const at = (name: string) => join(folder, name);
    const kept = Promise.all([
      Roots.load(at('roots.json')),
      ShardEpochs.load(at('shards.json')),
      CopyKey.load(at('copy.key')),
    ]);
    const service = new RetrievalService(folder, memoryBytes, await kept);
    await service.copies.clear();
    return service;
  }

  /** Collections, and shards of collections, that are here: units. */
  get names(): readonly string[] {
    return this.roots.names;
  }

  /** From now on the source is these files, of this revision. */
  sync(
    collection: string,
    source: SourceName,
    files: readonly SourceFile[],
    ingesting: Ingesting,
    revision?: string,
  ): Promise<IngestResult | Failure> {
    return this.inTurn(async () => {
      if (ingesting.mustRedact && this.roots.redactionOf(collection) === undefined)
        return unredacted(collection);
      const why = await this.roots.begin(collection, ingesting);
      if (why !== undefined) return why;
      const redaction = await this.redactions.of(collection);
      if (redaction !== undefined && 'code' in redaction) return redaction;
      await this.roots.note(collection, { ...source, syncedAt: 0 });
      const { parser } = this;
      const store = await this.opened();
      const result = await bringFiles({ store, parser, collection, source, files, redaction }, ingesting);
      if ('code' in result) return result;
      const asOf = { syncedAt: Date.now(), ...(revision !== undefined && { revision }) };
      await this.roots.note(collection, { ...source, ...asOf });
      const vectors = await this.meaning.of(collection);
      return { ...result, ...(vectors && { vectors }) };
    });
  }

  /** Without a source the whole collection. */
  remove(collection: string, source: SourceName | undefined): Promise<IngestResult | Failure> {
    return this.inTurn(async () => {
      const store = await this.opened();
      const known = await store.sources(collection);
      const gone = source === undefined ? known : known.filter(({ key }) => isOf(key, source));
      const roots = this.roots.of(collection);
      if (source !== undefined && gone.length === 0 && !roots.some((root) => isSource(root, source)))
        return failure(
          'rejected.not-found',
          `nothing of ${source.path} of ${source.machine} is in ${collection}`,
        );
      if (source !== undefined && roots.some((root) => !isSource(root, source))) {
        await store.apply(
          collection,
          gone.map(({ key }) => ({ kind: 'remove', key })),
        );
        await this.roots.forget(collection, source);
      } else await this.drop(collection);
      this.learning.forget(collection);
      return { ...nothing, removed: gone.length };
    });
  }

  /** At most `maxBytes` of JSON. */
  query(query: Asks<'query'>, maxBytes: number): Promise<QueryResult | Failure> {
    return this.asked(query, (asked) => answerQuery(query, maxBytes, asked));
  }

  statistics(query: Asks<'statistics'>): Promise<StatisticsResult | Failure> {
    return this.asked(query, (asked) => answerStatistics(query.collection, asked));
  }

  candidates(query: Asks<'candidates'>): Promise<CandidatesResult | Failure> {
    return this.asked(query, (asked) => answerCandidates(query, asked));
  }

  private async asked<T>(
    { collection, text }: Pick<Asks<'query'>, 'collection' | 'text'>,
    answer: (asked: Asked) => Promise<T>,
  ): Promise<T | Failure> {
    if (!this.names.includes(collection)) return unknown(collection);
    return await told(async () => {
      const redaction = await this.redactions.of(collection);
      return await answer({
        text: redaction instanceof Redaction ? redaction.text(text) : text,
        ...{ store: await this.opened(), learning: this.learning, meaning: this.meaning },
        revisionOf: (key) => this.revisionOf(collection, key),
      });
    });
  }

  /** From now on its passages are to have vectors by this model. */
  embedBy(body: Changes<'embed'>): Promise<EmbedResult | Failure> {
    return this.inTurn(async () =>
      this.names.includes(body.collection) ? await this.meaning.embedBy(body) : unknown(body.collection),
    );
  }

  addVectors(body: Changes<'vectors'>): Promise<{ kept: number } | Failure> {
    return this.inTurn(async () =>
      this.names.includes(body.collection) ? await this.meaning.add(body) : unknown(body.collection),
    );
  }

  /** At most `maxBytes` of JSON. */
  async unembedded(collection: string, after: number, maxBytes: number): Promise<UnembeddedResult | Failure> {
    if (!this.names.includes(collection)) return unknown(collection);
    return await told(() => this.meaning.unembedded(collection, after, maxBytes));
  }

  /** How a file served a query. The collection learns from it, when that is enough. */
  feedback(body: Changes<'feedback'>): Promise<WeightsResult | Failure> {
    return this.inTurn(async () => {
      const { collection, text, path, machine, lines, verdict } = body;
      if (!this.names.includes(collection)) return unknown(collection);
      const redaction = await this.redactions.of(collection);
      if (redaction !== undefined && 'code' in redaction) return redaction;
      const known = await (await this.opened()).sources(collection);
      const meant = meantFile(known, collection, path, machine);
      if (typeof meant !== 'string') return meant;
      return await this.learning.add(collection, {
        key: meant,
        query: redaction?.text(text) ?? text,
        lines: lines ?? null,
        verdict,
      });
    });
  }

  weights({ collection, change }: Changes<'weights'>): Promise<WeightsResult | Failure> {
    return this.inTurn(async () => {
      if (!this.names.includes(collection)) return unknown(collection);
      if (change.kind === 'learn') return await this.learning.learn(collection);
      return await this.learning.revert(collection, change.version);
    });
  }

  async learned(collection: string): Promise<WeightsResult | Failure> {
    if (!this.names.includes(collection)) return unknown(collection);
    return await told(() => this.learning.told(collection));
  }

  /** Everything with the subject in it is gone, from every index and from the files, which are searched for it then. */
  forget(collection: string, subject: string, shows: Shows = all): Promise<ForgetResult | Failure> {
    return this.inTurn(async () => {
      if (!this.names.includes(collection)) return unknown(collection);
      const redaction = await this.redactions.of(collection);
      const text = redaction instanceof Redaction ? redaction.text(subject) : subject;
      const store = await this.opened();
      const forgotten = await forgetSubject({ store, folder: this.folder, collection, subject, text, shows });
      this.learning.forget(collection);
      return forgotten;
    });
  }

  /** What is taken out of texts from now on, of a collection without files. */
  redact(body: Changes<'redact'>, first: Beginning = {}): Promise<RedactResult | Failure> {
    return this.inTurn(async () => {
      const { collection } = body;
      const why = await this.roots.begin(collection, first);
      if (why !== undefined) return why;
      return await this.redactions.set(body, await this.opened());
    });
  }

  /** The text with what its pseudonyms stand for; at most `maxBytes` of JSON. */
  async reveal({ collection, text }: Asks<'reveal'>, maxBytes: number): Promise<RevealResult | Failure> {
    if (!this.names.includes(collection)) return unknown(collection);
    return await told(async () => this.redactions.reveal(collection, text, await this.opened(), maxBytes));
  }

  /** At most `maxBytes` of JSON. */
  async list(maxBytes: number, shows: Shows = all): Promise<ListResult | Failure> {
    return await told(async () => {
      const names = this.names.filter(shows);
      if (names.length === 0) return { collections: [], cut: false };
      return await listed(await this.opened(), this.meaning, this.roots, names, maxBytes);
    });
  }

  /** Those that could not be read; at most `maxBytes` of JSON. */
  async failed({ collection, skip }: Asks<'failed'>, maxBytes: number): Promise<FailedResult | Failure> {
    if (!this.names.includes(collection)) return unknown(collection);
    return await told(async () => failedFiles(await this.opened(), collection, skip, maxBytes));
  }

  async close(): Promise<void> {
    await this.last;
    await this.parser.close();
    await (await this.store?.catch(() => undefined))?.close();
  }

  private async drop(unit: string): Promise<void> {
    await (await this.opened()).drop(unit);
    await this.roots.forget(unit, undefined);
    await this.redactions.drop(unit);
    this.learning.forget(unit);
  }

  private revisionOf(collection: string, key: string): string | undefined {
    return this.roots.of(collection).find((root) => isOf(key, root))?.revision;
  }

  private opened(): Promise<stored.Store> {
    this.store ??= openSqliteStore(this.place).catch((error: unknown) => {
      this.store = undefined;
      throw error;
    });
    return this.store;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T | Failure> {
    const done = this.last.then(() => told(work));
    this.last = done.catch(() => undefined);
    return done;
  }
}

const nothing: IngestResult = { added: 0, changed: 0, unchanged: 0, removed: 0, failedFiles: 0, failed: [] };
