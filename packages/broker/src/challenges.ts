/**
 * The nonces given out and not yet answered (E1): good once, for the connection they were given to, for `nonceMs`.
 * One for each connection, a newer knock replacing it; when there are too many the oldest goes, since whoever really
 * wants in answers within a round trip.
 */
import type { Clock, PeerKey, Random } from '@gryphgen/runtime';

const nonceMs = 10_000;
const nonceBytes = 32;
const maxPending = 4096;

export class Challenges {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly pending = new Map<PeerKey, { readonly nonce: string; readonly until: number }>();

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
    this.pending.set(peer, { nonce, until: this.clock.mono() + nonceMs });
    return nonce;
  }

  /** Whether `nonce` was good; it is not any more. */
  take(peer: PeerKey, nonce: string): boolean {
    const given = this.pending.get(peer);
    this.pending.delete(peer);
    return given !== undefined && given.nonce === nonce && this.clock.mono() <= given.until;
  }

  forget(peer: PeerKey): void {
    this.pending.delete(peer);
  }
}
