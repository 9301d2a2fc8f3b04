/** Brings one source of this machine to the grid, and has its collection be what is in it. */
import type { Stats } from 'node:fs';
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Client, type FetchedDocument, fetchDocument, ingested } from '@gryphgen/client';
import { formatBytes, GridError, type IngestBody, type IngestResult, limits } from '@gryphgen/protocol';
import { bringInputs, scanInputs } from '../bring-inputs.ts';
import { ingest } from '../commands/rag-collections.ts';
import { fetchShown } from '../models/fetch-shown.ts';
import { UsageError } from '../problem.ts';
import type { Terminal } from '../terminal.ts';
import { commitOf, extractCommit } from './git-revision.ts';
import { type SourcePlace, sourceName } from './source-place.ts';

/** Programs' own files, and what can be made again. */
export const passedOver = new Set(['.git', '.hg', '.svn', 'node_modules', '__pycache__', '.venv']);

interface Given {
  readonly at: string;
  readonly revision?: string;
  /** What it is called, where the source's name does not say it. */
  readonly file?: string;
}

/** Who brings it, and where what comes from the web is kept. */
export interface Bringer {
  readonly machine: string;
  /** `$GRID_HOME`. */
  readonly home: string;
}

/** `isRedacted`: it is known to redact its texts, and nothing is brought to one of its name that does not. */
export interface MeantCollection {
  readonly name: string;
  readonly isRedacted: boolean;
}

/** Throws UsageError for what is not there, GridError when the grid cannot take it. */
export async function bringSource(
  client: Client,
  terminal: Terminal,
  { name: collection, isRedacted }: MeantCollection,
  { machine, home }: Bringer,
  place: SourcePlace,
): Promise<IngestResult> {
  const source = { machine, path: sourceName(place) };
  const remove = async (): Promise<IngestResult | undefined> => {
    const [known] = await client.request('collections', { name: collection });
    if (known === undefined) return undefined;
    return ingested(...(await ingest(client, terminal, { op: 'remove', collection, source }, false)));
  };
  const bring = async ({ at, revision, file }: Given): Promise<IngestResult> => {
    if (await isEmptyFolder(at)) {
      const removed = await remove();
      if (removed === undefined) throw new UsageError(`${source.path} is empty: there is nothing to bring`);
      return removed;
    }
    const inputs = [{ from: at, to: '/in' }];
    const tooLarge: { path: string; cause: string }[] = [];
    const passOver = (path: string, found: Stats): boolean => {
      if (passedOver.has(basename(path)) || !(found.isFile() || found.isDirectory())) return true;
      if (found.isDirectory() || found.size <= limits.documentBytes) return false;
      tooLarge.push({ path: join(source.path, path), cause: overLimit(found.size) });
      return true;
    };
    const found = await scanInputs(terminal, inputs, { passOver });
    await bringInputs(client, terminal, inputs, found);
    const brought = found.map(({ manifest: { digest, bytes } }) => ({ digest, bytes, to: '/in' }));
    const body: IngestBody = {
      ...{ op: 'sync', collection, source, inputs: brought },
      ...(revision !== undefined && { revision }),
      ...(file !== undefined && { file }),
      ...(isRedacted && { redacted: true }),
    };
    const result = ingested(...(await ingest(client, terminal, body, true)));
    return {
      ...result,
      failedFiles: result.failedFiles + tooLarge.length,
      // Those are in no collection: nobody names them later.
      failed: [...result.failed, ...tooLarge],
    };
  };
  if (place.kind !== 'web') return await withFiles(place, bring);
  return await withDocument(terminal, home, place.url, bring, remove);
}

/** What is not there any more is taken out, where it was in. */
async function withDocument(
  terminal: Terminal,
  home: string,
  url: URL,
  bring: (given: Given) => Promise<IngestResult>,
  remove: () => Promise<IngestResult | undefined>,
): Promise<IngestResult> {
  let document: FetchedDocument;
  try {
    document = await fetchShown(terminal, ({ signal, onPart, onMoved }) => {
      onPart(url.href);
      return fetchDocument(url, { home, env: terminal.env, signal, onMoved });
    });
  } catch (error) {
    if (!(error instanceof GridError) || error.code !== 'rejected.not-found') throw error;
    const removed = await remove().catch((other: unknown) => {
      // Nothing of it was in the collection.
      if (other instanceof GridError && other.code === 'rejected.not-found') throw error;
      throw other;
    });
    if (removed === undefined) throw error;
    return removed;
  }
  try {
    return await bring({ at: document.path, file: document.name });
  } finally {
    document.release();
  }
}

/** What is not there as files is put into a folder for as long as it is used. */
async function withFiles<T>(
  place: Exclude<SourcePlace, { readonly kind: 'web' }>,
  use: (given: Given) => Promise<T>,
): Promise<T> {
  if (place.kind === 'path') {
    const { size, isFile } = await sizeOf(place.path);
    if (isFile && size > limits.documentBytes)
      throw new UsageError(`${place.path} cannot be read: ${overLimit(size)}`);
    return await use({ at: place.path });
  }
  const folder = await mkdtemp(join(tmpdir(), 'grid-rag-'));
  try {
    if (place.kind === 'stdin') return await use({ at: await writtenStdin(join(folder, place.name)) });
    const revision = await commitOf(place.folder, place.revision);
    await extractCommit(place.folder, revision, folder);
    return await use({ at: folder, revision });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writtenStdin(path: string): Promise<string> {
  const file = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for await (const block of process.stdin) {
      bytes += (block as Buffer).byteLength;
      if (bytes > limits.documentBytes)
        throw new UsageError(`what stdin has cannot be read: ${overLimit(bytes)}`);
      await file.write(block as Buffer);
    }
    return path;
  } finally {
    await file.close();
  }
}

async function isEmptyFolder(path: string): Promise<boolean> {
  const { isFolder } = await sizeOf(path);
  return isFolder && (await readdir(path)).length === 0;
}

async function sizeOf(path: string): Promise<{ size: number; isFile: boolean; isFolder: boolean }> {
  try {
    const found = await stat(path);
    return { size: found.size, isFile: found.isFile(), isFolder: found.isDirectory() };
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function overLimit(bytes: number): string {
  return `it has ${formatBytes(bytes)}, over the limit of ${formatBytes(limits.documentBytes)}`;
}
