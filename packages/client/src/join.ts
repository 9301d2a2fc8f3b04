/** Joining a grid with a ticket (E24): this home makes a key of its own and has it let in. */
import { type EnrolledRole, failure, GridError } from '@gryphgen/protocol';
import {
  createLog,
  identityFromSeed,
  loadIdentity,
  signEnrolment,
  systemAlarms,
  systemClock,
  systemRandom,
  type Ticket,
} from '@gryphgen/runtime';
import { Client } from './client.ts';
import { KnownBroker } from './known-broker.ts';
import { gridOf, hasMembership, loadMembership, type Membership, saveMembership } from './membership.ts';

/** A person waits in front of it, and machines are far apart. */
const firstSessionMs = 10_000;

/**
 * Lets the key of `home` for the ticket's role into the grid and notes the grid in `home`. May be repeated with the same
 * ticket until it has succeeded. Throws GridError: `rejected.state` when the home is of another grid, `rejected.forbidden`
 * when the ticket is used, expired or unknown, `lost.broker` when no broker of the ticket answers.
 */
export async function joinGrid(home: string, ticket: Ticket, name: string): Promise<EnrolledRole> {
  refuseOtherGrid(home, ticket);
  const { role: asked, gridKey, brokerKey, brokerCurveKey, brokers, seed } = ticket;
  const identity = loadIdentity(home, asked);
  const bearer = identityFromSeed(Buffer.from(seed, 'base64url'));
  const known = new KnownBroker({
    membership: { gridKey, brokerKey, brokerCurveKey, serial: 0, brokers: [], role: 'worker' },
    home: null,
    endpoints: brokers,
    curve: bearer.curve,
    alarms: systemAlarms,
  });
  const grid = gridOf(ticket);
  const client = new Client({
    brokers: known.addresses,
    follower: known,
    grid,
    identity: bearer,
    role: 'ticket',
    clock: systemClock,
    alarms: systemAlarms,
    random: systemRandom,
    log: createLog({ daemon: 'join', level: 'silent' }),
    firstSessionMs,
    patienceMs: firstSessionMs,
  });
  try {
    await client.start().catch(turnedAway);
    const { key, curve } = identity;
    const signature = signEnrolment(identity, grid, name);
    const { role } = await client.request('enrol', { key, curveKey: curve.publicKey, name, signature });
    const person = role === 'worker' ? personOf(home) : role;
    saveMembership(home, { ...newest(known.membership, home), role: person });
    return role;
  } finally {
    await client.close();
  }
}

function refuseOtherGrid(home: string, { gridKey }: Ticket): void {
  if (!hasMembership(home)) return;
  const known = loadMembership(home);
  if (known.gridKey === gridKey) return;
  const words = `${home} belongs to grid ${gridOf(known)} already: join with another GRID_HOME`;
  throw new GridError(failure('rejected.state', words));
}

/** A home that belonged to the grid already may know more of its broker than the ticket did. */
function newest(learned: Membership, home: string): Membership {
  const kept = hasMembership(home) ? loadMembership(home) : learned;
  return kept.serial > learned.serial ? kept : learned;
}

/** As whom commands go from this home: joining as a worker as well changes nothing of that. */
function personOf(home: string): EnrolledRole {
  return hasMembership(home) ? loadMembership(home).role : 'worker';
}

function turnedAway(error: unknown): never {
  if (!(error instanceof GridError) || error.failure.code !== 'rejected.forbidden') throw error;
  const words =
    'the broker does not know this ticket: it has expired, or is of another grid; ask for a new one';
  throw new GridError(failure('rejected.forbidden', words));
}
