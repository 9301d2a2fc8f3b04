/**
 * Who may enter: `$GRID_HOME/keys/authorized.json`. The broker is its only writer; it keeps the list in memory, so
 * that a hello costs no I/O, and writes it whole and atomically.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure, GridError, type Role, roles } from '@gryphgen/protocol';
import { z } from 'zod';
import { writePrivateFile } from './atomic-file.ts';
import { curveKeySchema, parseJson, publicKeySchema } from './keys.ts';

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
const fileSchema = z.object({ version: z.literal(1), keys: z.array(entrySchema).max(maxKeys) });

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

  /** Reads the file; none yet means nobody. Throws, naming the field, when it cannot be understood. */
  constructor(home: string) {
    this.path = join(home, 'keys', 'authorized.json');
    if (!existsSync(this.path)) return;
    const parsed = fileSchema.safeParse(parseJson(readFileSync(this.path, 'utf8')));
    if (!parsed.success) {
      const words = `${this.path}: ${z.prettifyError(parsed.error)}`;
      throw new GridError(failure('rejected.invalid', words));
    }
    for (const entry of parsed.data.keys) this.admit(entry);
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

  /** Replaces what was known of the key. */
  add(entry: AuthorizedKey): void {
    if (this.byKey.size >= maxKeys && !this.byKey.has(entry.key)) {
      const words = `${this.path} holds ${maxKeys} keys already: revoke some first`;
      throw new GridError(failure('rejected.limit', words));
    }
    this.save([...this.list().filter(({ key }) => key !== entry.key), entrySchema.parse(entry)]);
  }

  /** Undefined when it was not there. Ending its sessions is the caller's. */
  revoke(key: string): AuthorizedKey | undefined {
    const entry = this.byKey.get(key);
    if (entry) this.save(this.list().filter((other) => other.key !== key));
    return entry;
  }

  /** The file first: what is not on disk is not true. */
  private save(keys: readonly AuthorizedKey[]): void {
    writePrivateFile(this.path, `${JSON.stringify({ version: 1, keys }, undefined, 2)}\n`);
    this.byKey.clear();
    this.curveKeys.clear();
    for (const entry of keys) this.admit(entry);
  }

  private admit(entry: AuthorizedKey): void {
    this.byKey.set(entry.key, entry);
    this.curveKeys.add(entry.curveKey);
  }
}
