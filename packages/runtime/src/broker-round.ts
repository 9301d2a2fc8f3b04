/**
 * The brokers that a link tries in turn, and how it learns of others: from its broker while it is in session, and by
 * looking for a voucher where its broker does not answer any more (E29).
 */
import type { BrokerAddress } from './dealer.ts';

/** What a member knows of its broker; keeps what is newer, for its next life too. */
export interface Follower {
  /** The addresses from now on, when the voucher is the grid's and newer than what is known; `older`: it is the grid's, and out of date. */
  learn(voucher: string): readonly BrokerAddress[] | 'older' | undefined;
  /** Where nobody answered: looks for a newer voucher. Resolves with the same. Never rejects. */
  seek(endpoint: string): Promise<ReturnType<Follower['learn']>>;
}

export class BrokerRound {
  private brokers: readonly BrokerAddress[];
  private readonly follower: Follower | undefined;
  private next = 0;
  private seeking: Promise<void> | undefined;

  constructor(brokers: readonly BrokerAddress[], follower: Follower | undefined) {
    if (brokers.length === 0) throw new Error('a link needs at least one broker');
    this.brokers = brokers;
    this.follower = follower;
  }

  get size(): number {
    return this.brokers.length;
  }

  take(): BrokerAddress {
    return this.brokers[this.next++ % this.brokers.length] as BrokerAddress;
  }

  /** What `current` says of itself; `leave` is told why, if it is to be left. */
  learn(voucher: string, current: BrokerAddress | undefined, leave: (why: string) => void): void {
    const learned = this.follower?.learn(voucher);
    if (learned === 'older') leave(`${current?.endpoint} was the broker once, and is not any more`);
    this.turnTo(learned);
    const isRekeyed = this.brokers.some(
      ({ endpoint, curveKey }) => endpoint === current?.endpoint && curveKey !== current.curveKey,
    );
    if (isRekeyed) leave('the broker has another key');
  }

  /** One look at a time; what it finds is what `take` gives then. */
  seek({ endpoint }: BrokerAddress): void {
    this.seeking ??= this.follower
      ?.seek(endpoint)
      .then((found) => this.turnTo(found))
      .finally(() => {
        this.seeking = undefined;
      });
  }

  /** When nothing is looked for any more. */
  async settled(): Promise<void> {
    await this.seeking;
  }

  private turnTo(found: ReturnType<Follower['learn']>): void {
    if (found === undefined || found === 'older') return;
    this.brokers = found;
    this.next = 0;
  }
}
