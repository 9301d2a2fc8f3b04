/**
 * How somebody with this `$GRID_HOME` finds its grid: `grid.json` names the grid by its public signing key, and the
 * CURVE key that its broker proves to hold. Made by `grid up` (or by joining); holds no secret.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { enrolledRoles, failure, GridError, limits } from '@gryphgen/protocol';
import {
  type BrokerAddress,
  gridIdOf,
  parseJson,
  replacePrivateFile,
  writePrivateFile,
} from '@gryphgen/runtime';
import { z } from 'zod';

const membershipSchema = z.object({
  version: z.literal(1),
  /** Base64url Ed25519 public key that vouches for the grid's brokers. */
  gridKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected a base64url Ed25519 public key'),
  /** Base64url Ed25519: what it signs are grants. */
  brokerKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected a base64url Ed25519 public key'),
  /** Z85 */
  brokerCurveKey: z.string().length(40),
  /** Of the newest voucher of the grid's key that this home has seen (E29); 0: none yet. */
  serial: z.number().int().min(0).default(0),
  /** Where that says the broker is found; empty: where this home was told. */
  brokers: z.array(z.string()).max(limits.brokers).default([]),
  /** As whom commands go from this home, and the name of the key they use; `worker`: no person has joined here. */
  role: z.enum(enrolledRoles).default('admin'),
});
export type Membership = Omit<z.infer<typeof membershipSchema>, 'version'>;

export function hasMembership(home: string): boolean {
  return existsSync(pathIn(home));
}

/** Throws GridError: `lost.broker` when this home knows no grid, `rejected.invalid` when the file is damaged. */
export function loadMembership(home: string): Membership {
  const path = pathIn(home);
  if (!existsSync(path)) {
    const words = `${home} belongs to no grid yet: start one with "grid up", or set GRID_HOME to where yours is`;
    throw new GridError(failure('lost.broker', words));
  }
  const parsed = membershipSchema.safeParse(parseJson(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new GridError(failure('rejected.invalid', `${path}: ${z.prettifyError(parsed.error)}`));
}

export function saveMembership(
  home: string,
  membership: Omit<z.input<typeof membershipSchema>, 'version'>,
): void {
  writePrivateFile(pathIn(home), textOf(membership));
}

/** The same, off the loop. Rejects with what the file system says. */
export function replaceMembership(home: string, membership: Membership): Promise<void> {
  return replacePrivateFile(pathIn(home), textOf(membership));
}

function textOf(membership: object): string {
  return `${JSON.stringify({ version: 1, ...membership }, undefined, 2)}\n`;
}

export function gridOf({ gridKey }: Pick<Membership, 'gridKey'>): string {
  return gridIdOf(gridKey);
}

/**
 * One broker may listen at several endpoints; it is the same key at each. `configured`: where this home was told. First a socket of
 * this machine, then where the grid's key says, then the rest.
 */
export function brokerAddresses(
  { brokerCurveKey: curveKey, brokers }: Pick<Membership, 'brokerCurveKey' | 'brokers'>,
  configured: readonly string[],
): readonly BrokerAddress[] {
  const here = configured.filter((endpoint) => endpoint.startsWith('ipc:'));
  return [...new Set([...here, ...brokers, ...configured])].map((endpoint) => ({ endpoint, curveKey }));
}

function pathIn(home: string): string {
  return join(home, 'grid.json');
}
