/**
 * What a machine or a person needs to join (E24): where the brokers are, which keys they prove to hold, and a key of its
 * own, good for letting one other key in. One word, to be pasted: `grid-` and base64url of JSON and a check of it.
 *
 * 1. Who has the word can join with it once: it is a secret until it is used or has expired.
 */
import { createHash } from 'node:crypto';
import { enrolledRoles } from '@gryphgen/protocol';
import { z } from 'zod';
import { isEndpoint } from './config.ts';
import { parseJson } from './json.ts';
import { curveKeySchema, type Identity, publicKeySchema, verifySignature } from './keys.ts';

const prefix = 'grid-';
const checkBytes = 4;
/** A few endpoints; nothing a person would paste is longer. */
const mostChars = 8192;

const ticketSchema = z.object({
  version: z.literal(1),
  /** Base64url of 32 bytes: keys.ts makes the ticket's keys of it. */
  seed: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  gridKey: publicKeySchema,
  brokerKey: publicKeySchema,
  brokerCurveKey: curveKeySchema,
  brokers: z.array(z.string().refine(isEndpoint)).min(1).max(16),
  role: z.enum(enrolledRoles),
  /** By the broker's time of day, ms; for people: the broker judges. */
  expiresAt: z.number().int().min(0),
});
export type Ticket = Readonly<Omit<z.infer<typeof ticketSchema>, 'version'>>;

export function writeTicket(ticket: Ticket): string {
  const text = Buffer.from(JSON.stringify({ version: 1, ...ticket }));
  return prefix + Buffer.concat([text, checkOf(text)]).toString('base64url');
}

/** The ticket, or in words why it is none. */
export function readTicket(word: string): Ticket | string {
  const written = word.trim();
  if (!written.startsWith(prefix) || !/^[A-Za-z0-9_-]+$/.test(written) || written.length > mostChars)
    return `expected a ticket as "grid ticket create" prints it, one word that begins with ${prefix}`;
  const bytes = Buffer.from(written.slice(prefix.length), 'base64url');
  const text = bytes.subarray(0, -checkBytes);
  if (!checkOf(text).equals(bytes.subarray(-checkBytes)))
    return 'the ticket is damaged or not whole: copy it again, from grid- to its end';
  const parsed = ticketSchema.safeParse(parseJson(text.toString()));
  return parsed.success ? parsed.data : 'the ticket is of another version of grid';
}

function checkOf(text: Uint8Array): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, checkBytes);
}

/** What the key that is let in signs, so that nobody enrols a key that is not theirs. */
export interface Enrolment {
  readonly grid: string;
  readonly key: string;
  readonly curveKey: string;
  readonly name: string;
}

export function signEnrolment(identity: Identity, grid: string, name: string): string {
  const { key, curve } = identity;
  return identity.sign(enrolmentBytes({ grid, key, curveKey: curve.publicKey, name }));
}

export function verifyEnrolment(enrolment: Enrolment, signature: string): boolean {
  return verifySignature(enrolment.key, enrolmentBytes(enrolment), signature);
}

/** Of the parts the name alone may hold a NUL, and it is the last. */
function enrolmentBytes({ grid, key, curveKey, name }: Enrolment): Buffer {
  return Buffer.from(['GG-ENROL', grid, key, curveKey, name].join('\0'));
}
