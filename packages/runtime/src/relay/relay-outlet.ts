/**
 * What leaves the relay by one connection: in the order in which it came from each, as fast as the connection takes it.
 *
 * 1. One frame waits outside the queue at most: the one that the connection did not take yet.
 */
import type { Alarms } from '../clock.ts';
import { blockedRetryMs, type SendOutcome } from '../transfers.ts';
import { FairQueue } from './fair-queue.ts';

export class RelayOutlet {
  private readonly alarms: Alarms;
  private readonly send: (name: string, frame: Uint8Array) => Promise<SendOutcome>;
  private readonly onGone: () => void;
  private readonly queue = new FairQueue();
  private pumping: Promise<void> = Promise.resolve();
  private pumps = false;
  private closed = false;

  /** `onGone`: the connection is not there any more. */
  constructor(
    alarms: Alarms,
    send: (name: string, frame: Uint8Array) => Promise<SendOutcome>,
    onGone: () => void,
  ) {
    this.alarms = alarms;
    this.send = send;
    this.onGone = onGone;
  }

  /** False: what waits from there is as much as may. */
  put(name: string, frame: Uint8Array, isLast = false): boolean {
    if (this.closed) return true;
    const taken = this.queue.put(name, frame, isLast);
    if (!this.pumps) this.pumping = this.pump();
    return taken;
  }

  drop(name: string): void {
    this.queue.drop(name);
  }

  /** Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.closed = true;
    this.queue.clear();
    await this.pumping;
  }

  private async pump(): Promise<void> {
    this.pumps = true;
    for (let next = this.queue.take(); next !== undefined; next = this.queue.take()) {
      let outcome = await this.send(next.name, next.frame);
      while (outcome === 'blocked' && !this.closed) {
        await new Promise<void>((resolve) => void this.alarms.after(blockedRetryMs, resolve));
        outcome = await this.send(next.name, next.frame);
      }
      if (outcome === 'gone' && !this.closed) this.onGone();
    }
    this.pumps = false;
  }
}
