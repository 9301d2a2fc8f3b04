/**
 * With what the worker logs in to registries: the `auths` of a file such as `docker login` writes, read anew for each
 * pull, so that a renewed login counts at once.
 *
 * 1. A file that others can read is refused: it may have been read.
 * 2. Credential helpers (`credsStore`, `credHelpers`) are programs: none is run.
 * 3. What the file holds is in no message: not even where it makes no sense.
 */
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { defaultHost } from './image-reference.ts';

/** As the engine wants it. */
export type RegistryLogin =
  | { readonly username: string; readonly password: string; readonly serveraddress: string }
  | { readonly identitytoken: string; readonly serveraddress: string };

export type FoundLogin =
  /** `login` null: the file has none for this registry; `hint` may say why. */
  | { readonly ok: true; readonly login: RegistryLogin | null; readonly hint: string }
  | { readonly ok: false; readonly why: string };

const maxBytes = 1024 * 1024;
/** What `docker login` calls Docker Hub. */
const hubAddress = 'https://index.docker.io/v1/';
const hubNames = new Set(['index.docker.io', 'registry-1.docker.io']);

const text = z.string().optional();
const fileSchema = z.object({
  auths: z
    .record(z.string(), z.object({ auth: text, username: text, password: text, identitytoken: text }))
    .default({}),
  credsStore: text,
  credHelpers: z.record(z.string(), z.string()).default({}),
});
type Entry = z.infer<typeof fileSchema>['auths'][string];

/** `path` '': this worker has none. */
export async function registryLogin(path: string, host: string): Promise<FoundLogin> {
  if (path === '') return { ok: true, login: null, hint: 'this worker has no registry credentials' };
  const content = await readPrivate(path);
  if (!content.ok) return content;
  const file = fileSchema.safeParse(content.value);
  if (!file.success) {
    const where = file.error.issues[0]?.path.slice(0, 1).join('.') ?? '';
    return { ok: false, why: `${path} is not such a file as docker login writes (${where || 'no object'})` };
  }
  const { auths, credsStore, credHelpers } = file.data;
  for (const [address, entry] of Object.entries(auths)) {
    if (hostOf(address) !== host) continue;
    const login = loginOf(entry, host === defaultHost ? hubAddress : host);
    if (login !== null) return { ok: true, login, hint: '' };
  }
  const helped = credsStore !== undefined || Object.keys(credHelpers).some((key) => hostOf(key) === host);
  const hint = helped
    ? `${path} names a credential helper, and helpers are not run: put the login itself into auths`
    : `${path} has no login for ${host}`;
  return { ok: true, login: null, hint };
}

/** Without what a registry, a proxy or an engine may have quoted of it. */
export function withoutSecrets(words: string, login: RegistryLogin | null): string {
  if (login === null) return words;
  const secrets =
    'password' in login
      ? [login.password, Buffer.from(`${login.username}:${login.password}`).toString('base64')]
      : [login.identitytoken];
  return secrets
    .filter((secret) => secret !== '')
    .reduce((clean, secret) => clean.replaceAll(secret, '[secret]'), words);
}

async function readPrivate(
  path: string,
): Promise<{ readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string }> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if ((mode & 0o077) !== 0)
        return { ok: false, why: `${path} can be read by others: chmod 600 it, and renew what is in it` };
      if (size > maxBytes) return { ok: false, why: `${path} has ${size} bytes, at most ${maxBytes}` };
      return { ok: true, value: parse(await file.readFile('utf8')) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return { ok: false, why: `${path} cannot be read (${code})` };
  }
}

/** Undefined for what is no JSON: the engine's own complaint would quote it. */
function parse(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

/** `https://registry.example.com/v2/` and `registry.example.com` are one. */
function hostOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return hubNames.has(host) ? defaultHost : host;
}

function loginOf(
  { auth = '', username, password, identitytoken }: Entry,
  serveraddress: string,
): RegistryLogin | null {
  if (identitytoken) return { identitytoken, serveraddress };
  if (username !== undefined && password !== undefined) return { username, password, serveraddress };
  const decoded = Buffer.from(auth, 'base64').toString().replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  if (colon < 1) return null;
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1), serveraddress };
}
