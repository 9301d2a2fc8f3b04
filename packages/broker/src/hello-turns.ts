/**
 * Hellos that wait for their turn. Each costs the loop a signature to check and, of a worker, attempts to take up again; when
 * a broker is back all peers say theirs at once. Between them the messages of open sessions are taken.
 *
 * 1. The connection that said hello first is first; of one connection the newest counts, in the place of the older.
 * 2. Bounded, in number and bytes: `push` answers false when it is full, and then one must be taken before more come.
 */
import { limits } from '@gryphgen/protocol';
import type { PeerKey } from '@gryphgen/runtime';

export interface HelloBounds {
  readonly hellos: number;
  /** Of the frames that they came in. */
  readonly bytes: number;
}

const usualBounds: HelloBounds = { hellos: limits.sessions, bytes: 32 * 1024 * 1024 };

export interface WaitingHello<F> {
  readonly peer: PeerKey;
  readonly frame: F;
  readonly bytes: number;
}

export class HelloTurns<F> {
  /** The first is next. */
  private readonly waiting = new Map<PeerKey, WaitingHello<F>>();
  private readonly bounds: HelloBounds;
  private bytes = 0;

  constructor(bounds = usualBounds) {
    this.bounds = bounds;
  }

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** Whether there is room for another. `frame` is kept: it holds no bytes that are only lent. */
  push(peer: PeerKey, frame: F, bytes: number): boolean {
    this.bytes += bytes - (this.waiting.get(peer)?.bytes ?? 0);
    this.waiting.set(peer, { peer, frame, bytes });
    return this.waiting.size < this.bounds.hellos && this.bytes < this.bounds.bytes;
  }

  /** Undefined when none waits. */
  take(): WaitingHello<F> | undefined {
    const [oldest] = this.waiting.values();
    if (oldest !== undefined) this.forget(oldest.peer);
    return oldest;
  }

  /** The connection is gone, or its peer begins anew. */
  forget(peer: PeerKey): void {
    this.bytes -= this.waiting.get(peer)?.bytes ?? 0;
    this.waiting.delete(peer);
  }
}
