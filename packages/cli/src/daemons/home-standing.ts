/**
 * What the broker of this home is to those who know it (E29), in two files: its keys in `keys/broker.json`, and in `grid.json` what
 * the grid's key says of them. The grid's key is here too: every start signs that anew.
 *
 * 1. The key's file is written first. Whoever finds another key there than `grid.json` names, after a crash between the two or a
 *    restore, says that one.
 * 2. Of a draft that a crash left nothing stays: it is another secret key.
 */
import { join } from 'node:path';
import type { Standing } from '@gryphgen/broker';
import {
  hasMembership,
  loadMembership,
  type Membership,
  replaceMembership,
  saveMembership,
} from '@gryphgen/client';
import { failure, GridError, type StandingDocument } from '@gryphgen/protocol';
import {
  type Identity,
  loadIdentity,
  removeDrafts,
  renewIdentity,
  serialAfter,
  signVoucher,
} from '@gryphgen/runtime';

type Change = Parameters<Standing['change']>[0];

export class HomeStanding implements Standing {
  private readonly home: string;
  private readonly wallMs: () => number;
  private readonly signer: Identity;
  private membership: Membership;
  /** Once for each membership: it is told in every session. */
  private signed: string;
  private isChanging = false;

  /** Of a home that has its `grid.json`. Throws GridError when the grid's key is elsewhere. */
  constructor(home: string, wallMs: () => number) {
    this.home = home;
    this.wallMs = wallMs;
    this.signer = loadIdentity(home, 'grid');
    const membership = loadMembership(home);
    if (membership.gridKey !== this.signer.key)
      throw new GridError(failure('rejected.state', `${home} belongs to a grid whose broker is elsewhere`));
    this.membership = membership;
    this.signed = this.sign();
    removeDrafts(join(home, 'keys', 'broker.json'));
    const identity = loadIdentity(home, 'broker');
    const { brokerKey, brokerCurveKey } = membership;
    if (brokerKey !== identity.key || brokerCurveKey !== identity.curve.publicKey) this.say(identity);
  }

  get voucher(): string {
    return this.signed;
  }

  get document(): StandingDocument {
    const { serial, brokerKey, brokerCurveKey, brokers } = this.membership;
    return { serial, brokerKey, brokerCurveKey, brokers };
  }

  async change({ newKey, brokers }: Change): Promise<void> {
    if (this.isChanging)
      throw new GridError(failure('rejected.state', 'another change is being written: try again'));
    this.isChanging = true;
    try {
      const { home } = this;
      const identity = newKey ? await renewIdentity(home, 'broker') : loadIdentity(home, 'broker');
      // Somebody may have joined in this home since.
      const next = { ...this.next(identity, brokers), role: loadMembership(home).role };
      await replaceMembership(home, next);
      this.know(next);
    } finally {
      this.isChanging = false;
    }
  }

  /** Writes at once: for while no broker runs here. */
  say(identity: Identity, brokers?: readonly string[], jump = 0): void {
    const next = this.next(identity, brokers);
    const jumped = { ...next, serial: next.serial + jump };
    saveMembership(this.home, jumped);
    this.know(jumped);
  }

  private know(membership: Membership): void {
    this.membership = membership;
    this.signed = this.sign();
  }

  private sign(): string {
    return this.membership.serial === 0 ? '' : signVoucher(this.signer, this.document);
  }

  private next({ key, curve }: Identity, brokers: readonly string[] = this.membership.brokers): Membership {
    const serial = serialAfter(this.membership.serial, this.wallMs());
    const keys = { brokerKey: key, brokerCurveKey: curve.publicKey };
    return { ...this.membership, ...keys, serial, brokers: [...brokers] };
  }
}

/** What a restored broker says is newer than what the one that made the backup has said since, in this very second too. */
const restoredJump = 1000;

/**
 * Of a home made of a backup, before that is in its place: a broker that came up there without it would tell members less than
 * they may have heard from the one before, and they would leave it.
 */
export function sayRestored(
  home: string,
  wallMs: () => number,
  brokers: readonly string[] | undefined,
): void {
  // Of a home without it nobody was ever told anything.
  if (!hasMembership(home)) return;
  new HomeStanding(home, wallMs).say(loadIdentity(home, 'broker'), brokers, restoredJump);
}
