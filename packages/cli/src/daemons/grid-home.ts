/**
 * The first use of a `$GRID_HOME`: a grid of one machine needs the grid's key, its broker's, a worker's (one to sign,
 * one for its data endpoint), one for the person who owns the machine, and its gateway's. Idempotent; the broker must not be
 * running.
 */
import { readdirSync } from 'node:fs';
import { hasMembership, loadMembership, saveMembership } from '@gryphgen/client';
import {
  AuthorizedKeys,
  type Identity,
  isMissing,
  loadIdentity,
  makePrivateFolder,
  systemClock,
} from '@gryphgen/runtime';
import { UsageError } from '../problem.ts';
import { HomeStanding } from './home-standing.ts';

export interface BrokerHome {
  readonly identity: Identity;
  /** The grid's own key. */
  readonly signer: Identity;
  readonly authorized: AuthorizedKeys;
  /** Says the broker's key, should it be another now. */
  readonly standing: HomeStanding;
}

/** What may lie in a home before its first use. */
const before = ['config.json', 'policy.yaml', 'logs', 'run', 'lost+found'];

/** Throws UsageError when the folder serves another purpose, or the grid of this home has its broker elsewhere. */
export function prepareHome(home: string, wallMs: number): BrokerHome {
  refuseOtherFolder(home);
  makePrivateFolder(home);
  const signer = loadIdentity(home, 'grid');
  const identity = loadIdentity(home, 'broker');
  if (!hasMembership(home)) {
    saveMembership(home, {
      gridKey: signer.key,
      brokerKey: identity.key,
      brokerCurveKey: identity.curve.publicKey,
    });
  }
  if (loadMembership(home).gridKey !== signer.key)
    throw new UsageError(`${home} belongs to a grid whose broker is elsewhere: run "grid worker" here`);
  const standing = new HomeStanding(home, systemClock.wall);
  const authorized = new AuthorizedKeys(home);
  for (const [name, role] of [
    ['worker', 'worker'],
    ['admin', 'admin'],
    // The gateway of this machine, which acts for whom its keys are of.
    ['gateway', 'delegate'],
  ] as const) {
    const { key, curve } = loadIdentity(home, name);
    // A machine that was removed comes back with a new key, never by a restart.
    if (authorized.find(key) === undefined && !authorized.isRevoked(key))
      authorized.add({ key, curveKey: curve.publicKey, role, name, addedAt: wallMs });
  }
  return { identity, signer, authorized, standing };
}

/** A home becomes its owner's alone: done to /tmp or somebody's home folder, that would take it from everybody else. */
function refuseOtherFolder(home: string): void {
  if (otherThingIn(home) === undefined) return;
  throw new UsageError(
    `${home} holds other things: expected a folder that is empty or not there yet, or the home of a grid (GRID_HOME)`,
  );
}

/** Undefined where the folder is a grid's home, or could become one: empty or not there yet. */
export function otherThingIn(home: string): string | undefined {
  let entries: string[];
  try {
    entries = readdirSync(home);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return entries.includes('keys') ? undefined : entries.find((name) => !before.includes(name));
}
