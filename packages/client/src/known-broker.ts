/**
 * What this member knows of its broker, and how that grows (E29): by vouchers of the grid's key, from the session, from another
 * program of this home that has seen a newer one, or asked for where the broker does not answer to the key known here.
 *
 * 1. Nothing is believed but what the grid's key has signed, and nothing older than what is known.
 * 2. What is learned is written to the home, for its other programs and for the next start.
 */
import {
  type Alarms,
  askVoucher,
  type BrokerAddress,
  type CurveKeys,
  type Follower,
  readVoucher,
  voucherEndpoint,
} from '@gryphgen/runtime';
import { brokerAddresses, loadMembership, type Membership, saveMembership } from './membership.ts';

export interface KnownBrokerOptions {
  readonly membership: Membership;
  /** Whose `grid.json` it is; null: of a home that has not joined yet. */
  readonly home: string | null;
  /** Where this home was told that the broker is. */
  readonly endpoints: readonly string[];
  /** Of the member: who is not let in is not answered. */
  readonly curve: CurveKeys;
  readonly alarms: Alarms;
}

export class KnownBroker implements Follower {
  private readonly options: KnownBrokerOptions;
  private known: Membership;

  constructor(options: KnownBrokerOptions) {
    this.options = options;
    this.known = options.membership;
  }

  get membership(): Membership {
    return this.known;
  }

  get addresses(): readonly BrokerAddress[] {
    return brokerAddresses(this.known, this.options.endpoints);
  }

  learn(token: string): readonly BrokerAddress[] | 'older' | undefined {
    const voucher = readVoucher(token, this.known.gridKey);
    if (voucher === undefined || voucher.serial === this.known.serial) return undefined;
    if (voucher.serial < this.known.serial) return 'older';
    const { grid: _, ...told } = voucher;
    this.known = { ...this.known, ...told };
    this.keep();
    return this.addresses;
  }

  async seek(endpoint: string): ReturnType<Follower['seek']> {
    const { home, curve, alarms } = this.options;
    const kept = home === null ? undefined : keptIn(home);
    if (kept !== undefined && this.isNewer(kept)) {
      this.known = kept;
      return this.addresses;
    }
    const where = voucherEndpoint(endpoint);
    const token =
      where === undefined ? undefined : await askVoucher(where, this.known.gridKey, curve, alarms);
    return token === undefined ? undefined : this.learn(token);
  }

  private isNewer({ gridKey, serial }: Membership): boolean {
    return gridKey === this.known.gridKey && serial > this.known.serial;
  }

  private keep(): void {
    const { home } = this.options;
    if (home === null) return;
    const kept = keptIn(home);
    if (kept === undefined || kept.gridKey !== this.known.gridKey || kept.serial >= this.known.serial) return;
    try {
      saveMembership(home, { ...this.known, role: kept.role });
    } catch {
      // A full disk, a home that others own: it is learned again.
    }
  }
}

/** Undefined when it cannot be read now. */
function keptIn(home: string): Membership | undefined {
  try {
    return loadMembership(home);
  } catch {
    return undefined;
  }
}
