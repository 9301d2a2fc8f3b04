/**
 * The model files of a repository, as Hugging Face's API and its mirrors list them: names, sizes and digests.
 *
 * 1. What is chosen has a digest, so that it does not matter who sends it.
 * 2. An answer is some KiB for most repositories; no more than `mostPages` pages are read.
 */
import { failure, GridError } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import { z } from 'zod';
import type { ModelSource } from './model-source.ts';
import { placeOf, type WebAnswer, type WebClient, type WebToken } from './web-client.ts';
import { webText } from './web-text.ts';

const mostPages = 10;
const mostShown = 12;

export interface HubFile {
  /** In the repository. */
  readonly path: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export type HubSource = Extract<ModelSource, { kind: 'hub' }>;

const pageSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string().min(1).max(1024),
    lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().min(0) }).optional(),
  }),
);

export interface Hub {
  readonly endpoint: URL;
  readonly token?: WebToken | undefined;
}

/** All parts of the model that is meant, in order. Throws GridError. */
export async function hubFiles(
  web: WebClient,
  hub: Hub,
  source: HubSource,
  signal: AbortSignal | undefined,
): Promise<readonly HubFile[]> {
  return chosen(await listed(web, hub, source, signal), source);
}

export function hubFileUrl({ endpoint }: Hub, { repo, revision }: HubSource, { path }: HubFile): URL {
  return at(endpoint, `${repo}/resolve/${encodeURIComponent(revision)}/${escaped(path)}`);
}

async function listed(
  web: WebClient,
  { endpoint, token }: Hub,
  { repo, revision }: HubSource,
  signal: AbortSignal | undefined,
): Promise<readonly HubFile[]> {
  const found: HubFile[] = [];
  let url: URL | undefined = at(
    endpoint,
    `api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`,
  );
  for (let pages = 0; url !== undefined; pages++) {
    if (pages === mostPages) throw amiss(`${repo} has more files than a list of ${mostPages} pages`);
    const { text, answer } = await webText(web, url, { token, signal });
    const page = pageSchema.safeParse(parseJson(text));
    if (!page.success)
      throw amiss(`${placeOf(answer.url)} answered with something else than a list of files`);
    for (const { type, path, lfs } of page.data)
      if (type === 'file' && lfs !== undefined && isModelPath(path))
        found.push({ path, bytes: lfs.size, sha256: lfs.oid });
    url = nextOf(answer, endpoint);
  }
  return found;
}

/** What it describes pictures or sound with is no model of its own. */
function isModelPath(path: string): boolean {
  return /\.gguf$/i.test(path) && !/(^|\/)mmproj/i.test(path) && !/(^|\/)\.\.?(\/|$)/.test(path);
}

/** `<https://…?cursor=…>; rel="next"` */
function nextOf({ headers, url }: WebAnswer, endpoint: URL): URL | undefined {
  const [, link] = /<([^<>]{1,4096})>\s*;\s*rel="next"/.exec(String(headers.link ?? '')) ?? [];
  if (link === undefined || !URL.canParse(link, url.href)) return undefined;
  const next = new URL(link, url);
  if (next.origin !== endpoint.origin) throw amiss(`${url.host} goes on with its list at ${next.host}`);
  return next;
}

function at(endpoint: URL, path: string): URL {
  return new URL(path, endpoint.href.endsWith('/') ? endpoint : `${endpoint.href}/`);
}

function escaped(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

const part = /-([0-9]{5})-of-([0-9]{5})\.gguf$/i;

/** Of one model: its name without the number of a part. */
function nameOf(path: string): string {
  return path.replace(part, '.gguf');
}

export function chosen(files: readonly HubFile[], { repo, which }: HubSource): readonly HubFile[] {
  const models = new Map<string, HubFile[]>();
  for (const file of files) {
    const name = nameOf(file.path);
    models.set(name, [...(models.get(name) ?? []), file]);
  }
  if (models.size === 0) throw amiss(`${repo} has no GGUF files`);
  const fitting = [...models.keys()].filter((name) => which === '' || isMeant(name, which));
  const [only] = fitting;
  if (only === undefined || fitting.length > 1) {
    const all = only === undefined ? [...models.keys()] : fitting;
    const rest = all.length > mostShown ? ` and ${all.length - mostShown} more` : '';
    const there = `${all.slice(0, mostShown).join(', ')}${rest}`;
    const words =
      only === undefined ? `has no ${which}: it has` : `has ${all.length} that may be meant, name one of`;
    throw new GridError(
      failure(only === undefined ? 'rejected.not-found' : 'rejected.invalid', `${repo} ${words} ${there}`),
    );
  }
  return whole(models.get(only) ?? [], repo);
}

/** A file by its path, or all whose name, or folder, ends with the quantization. */
function isMeant(name: string, which: string): boolean {
  if (name === nameOf(which)) return true;
  const parts = name
    .toLowerCase()
    .replace(/\.gguf$/, '')
    .split('/');
  const wanted = which.toLowerCase();
  return parts.some(
    (each) => each === wanted || ['-', '.', '_'].some((sign) => each.endsWith(sign + wanted)),
  );
}

/** In order, and none missing. */
function whole(files: readonly HubFile[], repo: string): readonly HubFile[] {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const [, , total] = part.exec(sorted[0]?.path ?? '') ?? [];
  const parts = total === undefined ? 1 : Number(total);
  if (sorted.length === parts) return sorted;
  throw amiss(`${repo} has ${sorted.length} of the ${parts} parts of ${nameOf(sorted[0]?.path ?? '')}`);
}

function amiss(words: string): GridError {
  return new GridError(failure('execution.input', words));
}
