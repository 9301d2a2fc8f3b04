/**
 * Who may enter, and who may not any more: `$GRID_HOME/keys/authorized.json`. The broker is its only writer; it keeps the
 * list in memory, so that a hello costs no I/O, and writes it whole and atomically; off its loop once that runs.
 *
 * 1. A ticket lets one key in: which one is decided once, and stands in the same write as the key (E24).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type EnrolledRole,
  enrolledRoles,
  failure,
  GridError,
  limits,
  type PrincipalId,
  type Role,
  type WorkerId,
} from '@gryphgen/protocol';
import { z } from 'zod';
import { replacePrivateFile, writePrivateFile } from './atomic-file.ts';
import { parseJson } from './json.ts';
import { curveKeySchema, principalIdOf, publicKeySchema, workerIdOf } from './keys.ts';
import { type RevokedKey, RevokedKeys } from './revoked-keys.ts';

/** More machines and people than a broker has sessions for. */
const maxKeys = 10_000;
const dayMs = 24 * 3600_000;

const entrySchema = z.object({
  key: publicKeySchema,
  curveKey: curveKeySchema,
  role: z.enum(enrolledRoles),
  name: z.string().min(1).max(256),
  /** Wall clock, ms. */
  addedAt: z.number().int().min(0),
  /** Wall clock, ms, of when it was seen last, as far as that was written. */
  seenAt: z.number().int().min(0).optional(),
});
const revokedSchema = z.object({ key: publicKeySchema, name: z.string().max(256) });
const ticketSchema = z.object({
  key: publicKeySchema,
  curveKey: curveKeySchema,
  role: z.enum(enrolledRoles),
  /** Wall clock, ms. */
  expiresAt: z.number().int().min(0),
  /** The principal that made it. */
  madeBy: z.string().max(64).optional(),
  /** The key it has let in. */
  usedBy: publicKeySchema.optional(),
});
const fileSchema = z.object({
  version: z.literal(1),
  keys: z.array(entrySchema).max(maxKeys),
  /** Oldest first. */
  revoked: z.array(revokedSchema).max(maxKeys).default([]),
  tickets: z.array(ticketSchema).max(limits.tickets).default([]),
});

export interface AuthorizedKey {
  readonly key: string;
  readonly curveKey: string;
  readonly role: Role;
  readonly name: string;
  readonly addedAt: number;
}

/** An entry of the list, which a ticket's key never is. */
export interface EnrolledKey extends AuthorizedKey {
  readonly role: EnrolledRole;
  readonly seenAt?: number | undefined;
}

export type KnownTicket = Readonly<z.infer<typeof ticketSchema>>;

export class AuthorizedKeys {
  private readonly path: string;
  private readonly byKey = new Map<string, EnrolledKey>();
  private readonly byPrincipal = new Map<PrincipalId, string>();
  private readonly tickets = new Map<string, KnownTicket>();
  private readonly curveKeys = new Set<string>();
  private readonly revoked = new RevokedKeys(maxKeys);
  /** When each was seen last, since the start. */
  private readonly seenSince = new Map<string, number>();
  private seenSavedAt: number | undefined;
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
    for (const entry of parsed.data.revoked) this.revoked.add(entry);
    for (const ticket of parsed.data.tickets) this.tickets.set(ticket.key, ticket);
    this.fill(parsed.data.keys);
  }

  list(): readonly EnrolledKey[] {
    return [...this.byKey.values()];
  }

  /** A ticket has the role `ticket`, whomever it may let in. */
  find(key: string): AuthorizedKey | undefined {
    const ticket = this.tickets.get(key);
    return ticket === undefined
      ? this.byKey.get(key)
      : { ...ticket, role: 'ticket', name: 'ticket', addedAt: 0 };
  }

  findPrincipal(id: PrincipalId): EnrolledKey | undefined {
    return this.byKey.get(this.byPrincipal.get(id) ?? '');
  }

  isRevokedPrincipal(id: PrincipalId): boolean {
    return this.revoked.principals().includes(id);
  }

  /** Oldest first. */
  revokedPrincipals(): readonly PrincipalId[] {
    return this.revoked.principals();
  }

  listTickets(): readonly KnownTicket[] {
    return [...this.tickets.values()];
  }

  /** Wall ms; 0: never. */
  seenAt(key: string): number {
    return this.seenSince.get(key) ?? this.byKey.get(key)?.seenAt ?? 0;
  }

  /** Written once a day, and with what else is written. */
  seen(key: string, wallMs: number): void {
    if (!this.byKey.has(key)) return;
    this.seenSince.set(key, wallMs);
    this.seenSavedAt ??= wallMs;
    if (wallMs - this.seenSavedAt < dayMs) return;
    this.seenSavedAt = wallMs;
    void this.saveSeen();
  }

  /** What cannot be written now is, with what is written next. */
  async saveSeen(): Promise<void> {
    if (this.seenSince.size === 0) return;
    this.unsaved = true;
    await this.save().catch(() => undefined);
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
  add(entry: EnrolledKey): void {
    if (this.byKey.size >= maxKeys && !this.byKey.has(entry.key)) {
      throw new Error(`${this.path} holds ${maxKeys} keys already: revoke some first`);
    }
    if (this.unsaved || this.writing !== undefined) throw new Error(`${this.path} is being written`);
    const checked = entrySchema.parse(entry);
    const keys = [...this.list().filter(({ key }) => key !== entry.key), checked];
    const revoked = this.revoked.list().filter(({ key }) => key !== entry.key);
    // The file first: what is not on disk is not true.
    writePrivateFile(this.path, this.text(keys, revoked));
    this.revoked.delete(entry.key);
    this.fill(keys);
  }

  /** Resolves when it is on disk. Those that have expired by `wallMs` are forgotten. Throws GridError when there are too many. */
  async addTicket(ticket: KnownTicket, wallMs: number): Promise<KnownTicket> {
    const known = this.tickets.get(ticket.key);
    if (known === undefined) {
      for (const { key, expiresAt } of this.tickets.values())
        if (expiresAt <= wallMs) this.tickets.delete(key);
      if (this.tickets.size >= limits.tickets) {
        const words = `there are ${limits.tickets} tickets already: wait until one has expired`;
        throw new GridError(failure('rejected.limit', words));
      }
      if (this.byKey.has(ticket.key)) throw new GridError(failure('rejected.invalid', 'this key is in use'));
      this.tickets.set(ticket.key, checked(ticketSchema, ticket));
      this.findCurveKeys();
      this.unsaved = true;
    }
    await this.save();
    return known ?? ticket;
  }

  /** They let nobody in from now on; resolves when that is on disk. */
  async dropTickets(isMeant: (ticket: KnownTicket) => boolean): Promise<void> {
    for (const ticket of this.listTickets()) {
      if (!isMeant(ticket)) continue;
      this.tickets.delete(ticket.key);
      this.unsaved = true;
    }
    this.findCurveKeys();
    await this.save();
  }

  /** The ticket that the session of this principal was opened with. */
  ticketOf(principal: PrincipalId): KnownTicket | undefined {
    return this.listTickets().find(({ key }) => principalIdOf(key) === principal);
  }

  /**
   * Lets the key in for what the ticket is for; resolves when that is on disk. Asked again for the same key, it changes
   * nothing. Throws GridError, in words, when the ticket is not good for it.
   */
  async enrol(ticket: KnownTicket, entry: Omit<EnrolledKey, 'role'>, wallMs: number): Promise<EnrolledKey> {
    const { usedBy, expiresAt, role } = this.tickets.get(ticket.key) ?? ticket;
    if (usedBy !== undefined && usedBy !== entry.key)
      throw new GridError(failure('rejected.forbidden', 'this ticket has been used: ask for a new one'));
    if (usedBy === undefined) {
      if (expiresAt <= wallMs)
        throw new GridError(failure('rejected.forbidden', 'this ticket has expired: ask for a new one'));
      if (this.byKey.size >= maxKeys && !this.byKey.has(entry.key))
        throw new GridError(failure('rejected.limit', `the grid has ${maxKeys} keys already`));
      if (this.byKey.has(entry.key) || this.tickets.has(entry.key))
        throw new GridError(failure('rejected.state', 'this key is let in already'));
      if (this.revoked.has(entry.key))
        throw new GridError(
          failure('rejected.forbidden', 'this key was removed from the grid: join with a new one'),
        );
      const enrolled = checked(entrySchema, { ...entry, role });
      this.tickets.set(ticket.key, { ...ticket, usedBy: entry.key });
      this.fill([...this.list(), enrolled]);
      this.unsaved = true;
    }
    await this.save();
    const enrolled = this.byKey.get(entry.key);
    if (enrolled === undefined)
      throw new GridError(failure('rejected.forbidden', 'this key was removed since'));
    return enrolled;
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
      this.revoked.add(entry);
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
      await replacePrivateFile(this.path, this.text(this.list(), this.revoked.list()));
    } catch (error) {
      this.unsaved = true;
      throw error;
    }
  }

  private fill(keys: readonly EnrolledKey[]): void {
    const known = new Map([...this.byPrincipal].map(([id, key]) => [key, id]));
    this.byKey.clear();
    this.byPrincipal.clear();
    for (const entry of keys) {
      this.byKey.set(entry.key, entry);
      this.byPrincipal.set(known.get(entry.key) ?? principalIdOf(entry.key), entry.key);
    }
    this.findCurveKeys();
  }

  private findCurveKeys(): void {
    this.curveKeys.clear();
    for (const { curveKey } of [...this.byKey.values(), ...this.tickets.values()])
      this.curveKeys.add(curveKey);
  }

  private text(keys: readonly EnrolledKey[], revoked: readonly RevokedKey[]): string {
    const gone = revoked.map(({ key, name }) => ({ key, name }));
    const tickets = this.listTickets();
    const seen = keys.map((entry) => {
      const seenAt = this.seenAt(entry.key);
      return seenAt === 0 ? entry : { ...entry, seenAt };
    });
    return `${JSON.stringify({ version: 1, keys: seen, revoked: gone, tickets }, undefined, 2)}\n`;
  }
}

/** What a peer said, as it may stand in the list. Throws GridError, naming the field. */
function checked<T>(schema: z.ZodType<T>, said: unknown): T {
  const parsed = schema.safeParse(said);
  if (parsed.success) return parsed.data;
  throw new GridError(failure('rejected.invalid', z.prettifyError(parsed.error)));
}
