/** Places that an artifact was not had from just now. */
import type { Clock } from '../clock.ts';

/** A machine that is unreachable from here stays so for long; one that had no time for us does not. */
const rememberedMs = 60_000;
const maxRemembered = 256;

export class UselessPlaces {
  private readonly clock: Clock;
  /** By endpoint, until when; the one noted longest ago first. */
  private readonly until = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  note(endpoint: string): void {
    this.until.delete(endpoint);
    this.until.set(endpoint, this.clock.mono() + rememberedMs);
    const [oldest] = this.until.size > maxRemembered ? this.until.keys() : [];
    if (oldest !== undefined) this.until.delete(oldest);
  }

  /** As they were, but those that were no use last. */
  last<P extends { readonly endpoint: string }>(places: readonly P[]): readonly P[] {
    const now = this.clock.mono();
    const isUseless = ({ endpoint }: P): boolean => (this.until.get(endpoint) ?? 0) > now;
    return [...places.filter((place) => !isUseless(place)), ...places.filter(isUseless)];
  }
}
