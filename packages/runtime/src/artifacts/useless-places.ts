/** Places that an artifact was not had from just now. */
import type { Clock } from '../clock.ts';

/** A machine that is unreachable from here stays so for long; one that had no time for us does not. */
const rememberedMs = 60_000;
const maxRemembered = 256;

interface NamedPlace {
  readonly endpoint: string;
  /** The worker behind the relay there. */
  readonly relayed?: string;
}

export class UselessPlaces {
  private readonly clock: Clock;
  /** By name, until when; the one noted longest ago first. */
  private readonly until = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  note(place: NamedPlace): void {
    const name = nameOf(place);
    this.until.delete(name);
    this.until.set(name, this.clock.mono() + rememberedMs);
    const [oldest] = this.until.size > maxRemembered ? this.until.keys() : [];
    if (oldest !== undefined) this.until.delete(oldest);
  }

  /** As they were, but those that were no use last. */
  last<P extends NamedPlace>(places: readonly P[]): readonly P[] {
    const now = this.clock.mono();
    const isUseless = (place: P): boolean => (this.until.get(nameOf(place)) ?? 0) > now;
    return [...places.filter((place) => !isUseless(place)), ...places.filter(isUseless)];
  }
}

function nameOf({ endpoint, relayed = '' }: NamedPlace): string {
  return `${endpoint} ${relayed}`;
}
