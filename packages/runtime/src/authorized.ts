/**
 * Who may enter, and who may not any more: `$GRID_HOME/keys/authorized.json`. The broker is its only writer; it keeps the
 * list in memory, so that a hello costs no I/O, and writes it whole and atomically; off its loop once that runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure, GridError, type Role, roles, type WorkerId } from '@gryphgen/protocol';
import { z } from 'zod';
import { replacePrivateFile, writePrivateFile } from './atomic-file.ts';
import { curveKeySchema, parseJson, publicKeySchema, workerIdOf } from './keys.ts';

/** More machines and people than a broker has sessions for. */
const maxKeys = 10_000;

const entrySchema = z.object({
  key: publicKeySchema,
  curveKey: curveKeySchema,
  role: z.enum(roles),
  name: z.string().min(1).max(256),
  /** Wall clock, ms. */
  addedAt: z.number().int().min(0),
});
const revokedSchema = z.object({ key: publicKeySchema, name: z.string().max(256) });
const fileSchema = z.object({
  version: z.literal(1),
  keys: z.array(entrySchema).max(maxKeys),
  /** Oldest first. */
  revoked: z.array(revokedSchema).max(maxKeys).default([]),
});

export interface AuthorizedKey {
  readonly key: string;
  readonly curveKey: string;
  readonly role: Role;
  readonly name: string;
  readonly addedAt: number;
}

export class AuthorizedKeys {
  private readonly path: string;
  private readonly byKey = new Map<string, AuthorizedKey>();
  private readonly curveKeys = new Set<string>();
  /** Names by key, so that nobody lets them in again by starting the broker anew. */
  private readonly revoked = new Map<string, string>();
  private writing: Promise<void> | undefined;
  /** What is known is not on disk, nor on its way there. */
  private unsaved = false;

  /** Reads the file; none yet means nobody. Throws, naming the field, when it cannot be understood. */
  constructor(home: string) {
    this.path = join(home, 'keys', 'authorized.json');
    if (!existsSync(this.path)) return;
    const parsed = fileSchema.safeParse(parseJson(readFileSync(this.path, 'utf8')));
    if (!parsed.success) {
      const words = `${this.path}: ${z.prettifyError(parsed.error)}`;
      throw new GridError(failure('rejected.invalid', words));
    }
    for (const { key, name } of parsed.data.revoked) this.revoked.set(key, name);
    this.fill(parsed.data.keys);
  }

  list(): readonly AuthorizedKey[] {
    return [...this.byKey.values()];
  }

  find(key: string): AuthorizedKey | undefined {
    return this.byKey.get(key);
  }

  /** Whether a CURVE handshake with this key may succeed. */
  admitsCurve(curveKey: string): boolean {
    return this.curveKeys.has(curveKey);
  }

  /** Whether the key was let in once and is not to be any more, unless it is added again. */
  isRevoked(key: string): boolean {
    return this.revoked.has(key);
  }

  /** Replaces what was known of the key. Writes at once: for before the broker's loop runs. Throws what that throws. */
  add(entry: AuthorizedKey): void {
    if (this.byKey.size >= maxKeys && !this.byKey.has(entry.key)) {
      throw new Error(`${this.path} holds ${maxKeys} keys already: revoke some first`);
    }
    if (this.unsaved || this.writing !== undefined) throw new Error(`${this.path} is being written`);
    const checked = entrySchema.parse(entry);
    const keys = [...this.list().filter(({ key }) => key !== entry.key), checked];
    const revoked = new Map(this.revoked);
    revoked.delete(entry.key);
    // The file first: what is not on disk is not true.
    writePrivateFile(this.path, textOf(keys, revoked));
    this.revoked.delete(entry.key);
    this.fill(keys);
  }

  /** `revoke` of the key whose fingerprint is the worker's id. */
  revokeWorker(worker: WorkerId): Promise<AuthorizedKey | undefined> {
    const entry = this.list().find(({ key, role }) => role === 'worker' && workerIdOf(key) === worker);
    return this.revoke(entry?.key ?? '');
  }

  /**
   * The key is refused from now on, and after every restart once this has resolved; undefined when it was not there.
   * Ending its sessions is the caller's. Rejects when it cannot be written: then a restart lets it in again.
   */
  async revoke(key: string): Promise<AuthorizedKey | undefined> {
    const entry = this.byKey.get(key);
    if (entry !== undefined) {
      this.revoked.set(key, entry.name);
      for (const oldest of this.revoked.keys()) {
        if (this.revoked.size <= maxKeys) break;
        this.revoked.delete(oldest);
      }
      this.fill(this.list().filter((other) => other.key !== key));
      this.unsaved = true;
    }
    await this.save();
    return entry;
  }

  /** One at a time, each with all that is known when it begins. */
  private async save(): Promise<void> {
    while (this.unsaved || this.writing !== undefined) {
      this.writing ??= this.write().finally(() => {
        this.writing = undefined;
      });
      await this.writing;
    }
  }

  private async write(): Promise<void> {
    this.unsaved = false;
    try {
      await replacePrivateFile(this.path, textOf(this.list(), this.revoked));
    } catch (error) {
      this.unsaved = true;
      throw error;
    }
  }

  private fill(keys: readonly AuthorizedKey[]): void {
    this.byKey.clear();
    this.curveKeys.clear();
    for (const entry of keys) this.admit(entry);
  }

  private admit(entry: AuthorizedKey): void {
    this.byKey.set(entry.key, entry);
    this.curveKeys.add(entry.curveKey);
  }
}

function textOf(keys: readonly AuthorizedKey[], revoked: ReadonlyMap<string, string>): string {
  const gone = [...revoked].map(([key, name]) => ({ key, name }));
  return `${JSON.stringify({ version: 1, keys, revoked: gone }, undefined, 2)}\n`;
}
