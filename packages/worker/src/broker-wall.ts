/** The broker's wall clock, which its grants expire by: told in each welcome, counted on by the monotonic clock. */
import type { Welcome } from '@gryphgen/protocol';
import type { Clock } from '@gryphgen/runtime';

export class BrokerWall {
  private readonly clock: Clock;
  /** The broker's wall clock less `clock.mono`; null until a broker has told. */
  private offset: number | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  told({ wallMs }: Welcome): void {
    this.offset = wallMs === undefined ? null : wallMs - this.clock.mono();
  }

  ms(): number {
    return this.offset === null ? this.clock.wall() : this.clock.mono() + this.offset;
  }
}
