/**
 * A model from the web, as files of this machine: brought into a folder below `$GRID_HOME`, where what came is kept until
 * the model is at the grid, so that the same command goes on after it was cut off.
 *
 * 1. What nobody vouches for is not brought: over plain http only with a digest, from a hub on another machine alike.
 * 2. The hub's token goes to the hub, and over plain http to one on this machine alone.
 * 3. One process at a time brings a model; what nobody came back for in a week goes with the next.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import { isMissing, systemAlarms, systemClock } from '@gryphgen/runtime';
import { type DownloadOptions, downloadFile } from './download-file.ts';
import { downloadFolder } from './download-folder.ts';
import { type Hub, hubFiles, hubFileUrl } from './hub-files.ts';
import { type ModelSource, readModelSource } from './model-source.ts';
import { isHere, WebClient, type WebEnvironment } from './web-client.ts';

const usualHub = 'https://huggingface.co';
const mostParts = 1024;
const tokenChars = 1024;
const magic = 'GGUF';

export interface FetchOptions {
  /** `$GRID_HOME`. */
  readonly home: string;
  /** HF_ENDPOINT, HF_TOKEN and the places of its file, and proxies. */
  readonly env: WebEnvironment;
  /** Of each part, in hex; none where its source tells them, or nobody does. */
  readonly sha256s?: readonly string[];
  readonly signal?: AbortSignal;
  /** A part begins: which of how many, and its name. */
  readonly onPart?: (name: string, part: number, parts: number) => void;
  readonly onMoved?: DownloadOptions['onMoved'];
}

export interface FetchedModel {
  /** Its first file. */
  readonly path: string;
  /** Of each, in hex. */
  readonly sha256s: readonly string[];
  /** It is at the grid: the files are of no use any more. Without, they stay for another try. */
  discard(): Promise<void>;
  release(): void;
}

interface Part {
  readonly url: URL;
  readonly name: string;
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
}

/** Undefined of what names a file of this machine. Throws GridError `rejected.invalid` for what names nothing that could be. */
export function sourceOf(text: string): ModelSource | undefined {
  const source = readModelSource(text);
  if (typeof source === 'string') throw invalid(source);
  return source;
}

/** Throws GridError; the signal's reason when that is aborted. */
export async function fetchModel(source: ModelSource, options: FetchOptions): Promise<FetchedModel> {
  const { folder, release } = await downloadFolder(options.home, keyOf(source));
  try {
    const sha256s = await bring(source, folder, options);
    const names = sha256s.map(({ name }) => name);
    return {
      path: join(folder, names[0] ?? ''),
      sha256s: sha256s.map(({ sha256 }) => sha256),
      discard: () => rm(folder, { recursive: true, force: true }),
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

async function bring(
  source: ModelSource,
  folder: string,
  { env, sha256s = [], signal, onPart, onMoved }: FetchOptions,
): Promise<readonly { readonly name: string; readonly sha256: string }[]> {
  const web = await WebClient.open(env);
  try {
    const hub = await hubOf(env);
    const parts = source.kind === 'hub' ? await partsOfHub(web, hub, source, signal) : partsOfUrl(source.url);
    if (sha256s.length > 0 && sha256s.length !== parts.length)
      throw invalid(
        `${sha256s.length} of --sha256 for ${parts.length} files: expected one for each, in their order`,
      );
    const brought: { name: string; sha256: string }[] = [];
    for (const [at, { url, name, sha256, bytes }] of parts.entries()) {
      const expected = sha256s[at] ?? sha256;
      const isVouched =
        sha256s.length > 0 || url.protocol === 'https:' || (source.kind === 'hub' && isHere(url));
      if (!isVouched)
        throw invalid(
          `${url.origin} is plain http, where anybody may have changed it: expected https, or its --sha256`,
        );
      onPart?.(name, at + 1, parts.length);
      const token = source.kind === 'hub' ? hub.token : undefined;
      const wanted = { url, bytes, sha256: expected, token, path: join(folder, name), amiss: amissInModel };
      const options = { web, clock: systemClock, alarms: systemAlarms, signal, ...(onMoved && { onMoved }) };
      brought.push({ name, sha256: await downloadFile(wanted, options) });
    }
    return brought;
  } finally {
    await web.close();
  }
}

async function partsOfHub(
  web: WebClient,
  hub: Hub,
  source: Extract<ModelSource, { kind: 'hub' }>,
  signal: AbortSignal | undefined,
): Promise<readonly Part[]> {
  const files = await hubFiles(web, hub, source, signal);
  return files.map((file) => ({ ...file, url: hubFileUrl(hub, source, file), name: basename(file.path) }));
}

const part = /-([0-9]{5})-of-([0-9]{5})\.gguf$/i;

/** All parts of a split model, by the address of any. */
function partsOfUrl(url: URL): readonly Part[] {
  const [, , total] = part.exec(url.pathname) ?? [];
  if (total === undefined) return [{ url, name: nameIn(url) }];
  const count = Number(total);
  if (count < 1 || count > mostParts) throw invalid(`it has ${count} parts: 1 to ${mostParts} are allowed`);
  return Array.from({ length: count }, (_, at) => {
    const each = new URL(url);
    each.pathname = url.pathname.replace(part, `-${String(at + 1).padStart(5, '0')}-of-${total}.gguf`);
    return { url: each, name: nameIn(each) };
  });
}

/** As the address calls it, where that is a file's name; it tells what a model is for. */
function nameIn({ pathname }: URL): string {
  const name = basename(pathname);
  return /^[\w][\w.+-]{0,200}\.gguf$/i.test(name) ? name : 'model.gguf';
}

function amissInModel(head: Buffer): string {
  const text = head.toString('latin1');
  if (text.startsWith(magic)) return '';
  if (/^\s*</.test(text))
    return 'found a page for people, expected a GGUF file: is it the address of the file itself?';
  if (text.startsWith('version http'))
    return 'found a pointer of Git LFS, expected the GGUF file it stands for';
  return 'found something else, expected a GGUF file';
}

async function hubOf(env: WebEnvironment): Promise<Hub> {
  const named = env.HF_ENDPOINT || usualHub;
  if (!URL.canParse(named) || !/^https?:$/.test(new URL(named).protocol))
    throw invalid(
      `HF_ENDPOINT: found ${JSON.stringify(named.slice(0, 80))}, expected an address such as ${usualHub}`,
    );
  const endpoint = new URL(named);
  const secret = await secretOf(env);
  const mayBeSent = endpoint.protocol === 'https:' || isHere(endpoint);
  return { endpoint, ...(secret !== '' && mayBeSent && { token: { origin: endpoint.origin, secret } }) };
}

/** Where Hugging Face's own programs look for it. '' without. */
async function secretOf(env: WebEnvironment): Promise<string> {
  const home =
    env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface');
  const secret = (env.HF_TOKEN || (await textOf(env.HF_TOKEN_PATH || join(home, 'token')))).trim();
  if (secret === '' || (secret.length <= tokenChars && /^[!-~]+$/.test(secret))) return secret;
  throw invalid('HF_TOKEN, or its file, is no token: expected some letters and digits');
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

function keyOf(source: ModelSource): string {
  const named =
    source.kind === 'hub' ? [source.repo, source.revision, source.which].join('\n') : source.url.href;
  return createHash('sha256').update(named).digest('hex').slice(0, 24);
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
