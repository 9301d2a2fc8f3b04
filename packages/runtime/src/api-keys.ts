/**
 * Keys of the gateway's HTTP API: `$GRID_HOME/keys/api-keys.json`. `grid key` writes it, the gateway reads it.
 *
 * 1. A key itself is nowhere on disk: what is kept is its sha-256, which for 32 random bytes is as good as a slow hash.
 * 2. Each use of a key looks whether the file is another now, so one that was revoked is refused at once.
 * 3. One change at a time, whole and atomically: two commands at once lose no key.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { failure, GridError, limits, type PrincipalId } from '@gryphgen/protocol';
import { z } from 'zod';
import { writePrivateFile } from './atomic-file.ts';
import { type Alarms, systemAlarms } from './clock.ts';
import { parseJson } from './json.ts';
import { isMissing } from './missing.ts';
import { pause } from './pause.ts';
import type { Random } from './random.ts';
import { makeRunFolder } from './run-folder.ts';

export const apiScopes = ['infer', 'embed', 'rerank', 'models', 'metrics'] as const;
export type ApiScope = (typeof apiScopes)[number];

export const apiKeyLimits = {
  /** Each is some 300 B of a file that is read whole. */
  keys: 1000,
  perMinute: 1_000_000,
  concurrent: 10_000,
  ttlMs: 3650 * 24 * 3600_000,
} as const;

const secretBytes = 32;
const idBytes = 8;
/** For a change that another command is making; each takes some milliseconds. */
const lockPatience = { tries: 100, pauseMs: 50 };

const keySchema = z.object({
  id: z.string().regex(/^key-[0-9a-f]{16}$/, 'expected a key’s id such as key-0123456789abcdef'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits'),
  name: z.string().max(256),
  /** For whom it acts, and in which role. */
  principal: z
    .string()
    .regex(/^p-[0-9a-f]{16}$/, 'expected a principal such as p-0123456789abcdef')
    .transform((id) => id as PrincipalId),
  role: z.enum(['submitter', 'viewer']),
  scopes: z.array(z.enum(apiScopes)).min(1),
  /** Requests, in the long run. */
  perMinute: z.number().int().min(1).max(apiKeyLimits.perMinute).optional(),
  /** Requests under way. */
  concurrent: z.number().int().min(1).max(apiKeyLimits.concurrent).optional(),
  /** Of one request's body. */
  bodyBytes: z.number().int().min(1).max(limits.questionBytes).optional(),
  /** Of its tasks. */
  priority: z.number().int().min(-100).max(100).optional(),
  /** Wall clock, ms. */
  createdAt: z.number().int().min(0),
  expiresAt: z.number().int().min(0).optional(),
});
export type ApiKey = Readonly<z.infer<typeof keySchema>>;

const fileSchema = z.object({ version: z.literal(1), keys: z.array(keySchema).max(apiKeyLimits.keys) });

type Wish = Omit<ApiKey, 'id' | 'sha256'>;

/** Who may ask, as the file says now. */
export class ApiKeys {
  private readonly path: string;
  private readonly byHash = new Map<string, ApiKey>();
  private seen = '';

  constructor(home: string) {
    this.path = pathIn(home);
  }

  /** Undefined for one that is unknown or revoked; who asks looks whether it has expired. Throws GridError for a damaged file. */
  find(secret: string): ApiKey | undefined {
    this.refresh();
    const hashed = hashOf(secret);
    const key = this.byHash.get(hashed);
    // What the map's search takes tells of a hash, which says nothing of the key.
    return key !== undefined && timingSafeEqual(Buffer.from(key.sha256), Buffer.from(hashed))
      ? key
      : undefined;
  }

  get isEmpty(): boolean {
    this.refresh();
    return this.byHash.size === 0;
  }

  private refresh(): void {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    const now = stats === undefined ? '' : sightOf(stats);
    if (now === this.seen) return;
    const keys = readKeys(this.path);
    this.byHash.clear();
    for (const key of keys) this.byHash.set(key.sha256, key);
    this.seen = now;
  }
}

/** In the order of their making. Throws GridError, naming the field, when the file cannot be understood. */
export function listApiKeys(home: string): readonly ApiKey[] {
  return readKeys(pathIn(home));
}

/** `key`: what its holder sends, which is told this once. Throws GridError when there are too many. */
export async function createApiKey(
  home: string,
  wish: Wish,
  random: Random,
): Promise<{ readonly id: string; readonly key: string }> {
  const key = `gg-${random.bytes(secretBytes).toString('base64url')}`;
  const id = `key-${random.bytes(idBytes).toString('hex')}`;
  await change(home, (keys) => {
    if (keys.length >= apiKeyLimits.keys)
      throw new GridError(
        failure('rejected.limit', `there are ${apiKeyLimits.keys} keys already: revoke some`),
      );
    return [...keys, keySchema.parse({ ...wish, id, sha256: hashOf(key) })];
  });
  return { id, key };
}

/** Throws GridError `rejected.not-found` when there is none of this id. */
export async function revokeApiKey(home: string, id: string): Promise<void> {
  await change(home, (keys) => {
    if (!keys.some((key) => key.id === id))
      throw new GridError(failure('rejected.not-found', `no key has the id ${id}: "grid key ls" lists them`));
    return keys.filter((key) => key.id !== id);
  });
}

async function change(home: string, to: (keys: readonly ApiKey[]) => readonly ApiKey[]): Promise<void> {
  refuseOthers(home);
  const lock = await lockKeys(home, systemAlarms);
  try {
    const keys = to(readKeys(pathIn(home)));
    writePrivateFile(pathIn(home), `${JSON.stringify({ version: 1, keys }, undefined, 2)}\n`);
  } finally {
    lock.release();
  }
}

/** A file of root's would be one that the gateway of its user cannot read. */
function refuseOthers(home: string): void {
  const owner = statSync(home, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === process.getuid?.()) return;
  const words = `${home} is another user’s: run this as that one (sudo -u)`;
  throw new GridError(failure('rejected.forbidden', words));
}

/** Loaded when it is needed: who reads keys need not load SQLite. */
async function lockKeys(home: string, alarms: Alarms): Promise<{ release(): void }> {
  const { lockFolder } = await import('./folder-lock.ts');
  const folder = makeRunFolder(home);
  for (let tries = 1; ; tries++) {
    const taken = lockFolder(folder, 'api-keys', `pid ${process.pid}`);
    if ('lock' in taken) return taken.lock;
    if (tries >= lockPatience.tries)
      throw new GridError(failure('rejected.state', `${taken.heldBy} is changing the keys: try again`));
    await pause(alarms, lockPatience.pauseMs, undefined);
  }
}

function readKeys(path: string): readonly ApiKey[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const parsed = fileSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data.keys;
  throw new GridError(failure('rejected.invalid', `${path}: ${z.prettifyError(parsed.error)}`));
}

function pathIn(home: string): string {
  return join(home, 'keys', 'api-keys.json');
}

/** Another file, or another content: it is always replaced, never written into. */
function sightOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${mtimeMs} ${size}`;
}

function hashOf(secret: string): string {
  return hash('sha256', secret, 'hex');
}
