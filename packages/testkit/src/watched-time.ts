/**
 * How long the broker has heard nothing of each worker, in time in which it was really running (E13): measured from
 * outside, to hold the broker's own watch clock against.
 */
import type { BrokerEvent, BrokerState } from '@gryphgen/broker';
import { defaultTimers } from '@gryphgen/protocol';
import type { World } from './world.ts';

/** What one gap may add to the broker's watch clock although it was not running. */
const perGapMs = 4 * defaultTimers.tickMs;

export class WatchedTime {
  private readonly world: World;
  private runningMs = 0;
  private since: number | null = null;
  private gaps = 0;
  private heard = new Map<string, { readonly at: number; readonly gaps: number }>();
  private floor = { at: 0, gaps: 0 };

  constructor(world: World) {
    this.world = world;
  }

  /** The broker begins or ceases to run. */
  watching(does: boolean): void {
    if (!does && this.since !== null) {
      this.runningMs += this.world.now - this.since;
      this.since = null;
      this.gaps += 1;
    } else if (does && this.since === null) this.since = this.world.now;
  }

  restarted(): void {
    this.heard = new Map();
    this.floor = this.stamp();
  }

  stepped(state: BrokerState, event: BrokerEvent): void {
    if (!('session' in event)) return;
    const worker =
      event.kind === 'sessionOpened' ? event.worker : (state.sessions.get(event.session)?.worker ?? null);
    if (worker !== null) this.heard.set(worker, this.stamp());
  }

  /** The longest silence of the worker that the broker may have counted. */
  silenceMs(worker: string): number {
    const { at, gaps } = this.heard.get(worker) ?? this.floor;
    const now = this.stamp();
    return now.at - at + (now.gaps - gaps + 1) * perGapMs;
  }

  private stamp() {
    const running = this.since === null ? 0 : this.world.now - this.since;
    return { at: this.runningMs + running, gaps: this.gaps };
  }
}
