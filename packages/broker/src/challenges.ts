/**
 * The nonces given out and not yet answered (E1): good once, for the connection they were given to, for `nonceMs`.
 * One for each connection, a newer knock replacing it; when there are too many the oldest goes, since whoever really
 * wants in answers within a round trip.
 *
 * A peer that changed its connection may have left a hello on the way in the older one. Nonces are numbered as they are
 * given, so such a hello is known by its nonce: it is older than that of the newest session (E2).
 */
import type { Clock, PeerKey, Random } from '@gryphgen/runtime';

const nonceMs = 10_000;
const nonceBytes = 32;
const maxPending = 4096;

interface Numbered {
  readonly no: number;
  readonly until: number;
}

export class Challenges {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly pending = new Map<PeerKey, Numbered & { readonly nonce: string }>();
  /** By what there is one session of: the nonce that opened the newest, for as long as an older one can be good. */
  private readonly newest = new Map<string, Numbered>();
  private given = 0;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  give(peer: PeerKey): string {
    this.pending.delete(peer);
    for (const oldest of this.pending.keys()) {
      if (this.pending.size < maxPending) break;
      this.pending.delete(oldest);
    }
    const nonce = this.random.bytes(nonceBytes).toString('base64url');
    this.given += 1;
    this.pending.set(peer, { nonce, no: this.given, until: this.clock.mono() + nonceMs });
    return nonce;
  }

  /** The number of `nonce` if it was good; it is not any more. */
  take(peer: PeerKey, nonce: string): number | undefined {
    const given = this.pending.get(peer);
    this.pending.delete(peer);
    const good = given !== undefined && given.nonce === nonce && this.clock.mono() <= given.until;
    return good ? given.no : undefined;
  }

  /** Whether a session that a later nonce opened has been there already. */
  isOvertaken(sole: string, no: number): boolean {
    return no < (this.newest.get(sole)?.no ?? 0);
  }

  /** The nonce opened a session. */
  opened(sole: string, no: number): void {
    const now = this.clock.mono();
    for (const [oldest, { until }] of this.newest) {
      if (until >= now) break;
      this.newest.delete(oldest);
    }
    this.newest.delete(sole);
    this.newest.set(sole, { no, until: now + nonceMs });
  }

  forget(peer: PeerKey): void {
    this.pending.delete(peer);
  }
}
