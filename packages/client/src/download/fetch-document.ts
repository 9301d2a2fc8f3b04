/**
 * A document of the web, as a file of this machine: kept below `$GRID_HOME`, so that the next time its server is asked only
 * whether it has changed (by its ETag, or by when it was changed last).
 *
 * 1. What anybody on the way may have changed is not brought: over plain http from this machine alone.
 * 2. No more is brought than a document may have.
 * 3. It is called by the end of its address, and by its kind where its server tells one and the address another, or none.
 */
import { createHash } from 'node:crypto';
import { basename, extname, join } from 'node:path/posix';
import { failure, GridError, limits } from '@gryphgen/protocol';
import { systemAlarms, systemClock } from '@gryphgen/runtime';
import { type DownloadOptions, downloadFile } from './download-file.ts';
import { downloadFolder } from './download-folder.ts';
import { readNote } from './download-note.ts';
import { isHere, WebClient, type WebEnvironment } from './web-client.ts';

/** By which a reader knows it. */
const endings: ReadonlyMap<string, string> = new Map([
  ['text/html', '.html'],
  ['application/xhtml+xml', '.html'],
  ['text/markdown', '.md'],
  ['text/csv', '.csv'],
  ['text/tab-separated-values', '.tsv'],
  ['application/pdf', '.pdf'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', '.docx'],
]);
/** What many servers say of all text: the end of the address says more, where it has one. */
const vagueEndings: ReadonlyMap<string, string> = new Map([
  ['text/plain', '.txt'],
  ['application/json', '.json'],
]);
/** They are written in several ways. */
const alike: ReadonlyMap<string, string> = new Map([
  ['.htm', '.html'],
  ['.xhtml', '.html'],
  ['.markdown', '.md'],
  ['.mdx', '.md'],
]);
const nameChars = 150;
const shownChars = 80;

export interface DocumentFetch {
  /** `$GRID_HOME`. */
  readonly home: string;
  /** Proxies. */
  readonly env: WebEnvironment;
  readonly signal?: AbortSignal;
  readonly onMoved?: DownloadOptions['onMoved'];
}

export interface FetchedDocument {
  readonly path: string;
  /** A file's, such as `page.html`. */
  readonly name: string;
  /** It has been read. The file stays. */
  release(): void;
}

/** Of an address, as it is known by from then on: without what is behind a "#". Undefined: it is none. Throws GridError `rejected.invalid`. */
export function documentAddress(text: string): URL | undefined {
  if (!/^https?:\/\//i.test(text)) return undefined;
  if (!URL.canParse(text) || text.length > limits.sourceChars)
    throw invalid(
      `found ${JSON.stringify(text.slice(0, shownChars))}, expected https://HOST/PATH of at most ${limits.sourceChars} characters`,
    );
  const url = new URL(text);
  url.hash = '';
  if (url.username !== '' || url.password !== '')
    throw invalid('found an address with a password in it: expected none');
  if (url.href.length > limits.sourceChars)
    throw invalid(`the address has ${url.href.length} characters, expected at most ${limits.sourceChars}`);
  if (url.protocol === 'http:' && !isHere(url))
    throw invalid(`${url.origin} is plain http, where anybody may have changed it: expected https`);
  return url;
}

/** Throws GridError, `rejected.not-found` where it is not there; the signal's reason when that is aborted. */
export async function fetchDocument(
  url: URL,
  { home, env, signal, onMoved }: DocumentFetch,
): Promise<FetchedDocument> {
  const key = createHash('sha256').update(url.href).digest('hex').slice(0, 24);
  const { folder, release } = await downloadFolder(home, key);
  try {
    const path = join(folder, 'document');
    const web = await WebClient.open(env);
    try {
      const options = { web, clock: systemClock, alarms: systemAlarms, signal, ...(onMoved && { onMoved }) };
      await downloadFile({ url, path, mostBytes: limits.documentBytes, amiss: () => '' }, options);
    } finally {
      await web.close();
    }
    const { type } = await readNote(path);
    return { path, name: documentName(url, type), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** `type`: by its server's word, '' without. */
export function documentName(url: URL, type: string): string {
  const last = basename(decoded(url.pathname));
  const own = fileName(last === '' ? url.hostname : last);
  // A host's name ends with no kind of file.
  const written = last === '' ? '' : extname(own).toLowerCase();
  const ending = endings.get(type);
  if (ending !== undefined) return (alike.get(written) ?? written) === ending ? own : `${own}${ending}`;
  return written === '' ? `${own}${vagueEndings.get(type) ?? ''}` : own;
}

/** Its end, where it is too long: that says what it is. */
function fileName(text: string): string {
  const plain = text.replace(/[^\w.+-]+/g, '-').slice(-nameChars);
  return plain.replace(/^\W+/, '') || 'page';
}

/** As people write it; what is no writing stays as it is. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
