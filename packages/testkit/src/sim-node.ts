/**
 * A process on a simulated machine: takes messages and timers in turns, performs effects one by one, and may be crashed
 * or paused between any two of them.
 *
 * 1. A turn runs the jobs that wait, each with all its effects, then `onTurnEnd` until nothing is left to do.
 * 2. A crash forgets everything: jobs, effects, timers. What was performed stays performed.
 * 3. A pause (SIGSTOP) forgets nothing: timers that fall due meanwhile and messages that arrive wait for its end.
 */

import type { Alarms, Clock } from '@gryphgen/runtime';
import { describe } from './message-line.ts';
import { Outgoing } from './outgoing.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import type { Packet } from './sim-network.ts';
import type { World } from './world.ts';

/** What every node of one simulation shares. */
export interface NodeSetting {
  readonly world: World;
  readonly transmit: (packet: Packet) => void;
  /** Whether what a node sends in one turn leaves in one frame. */
  readonly coalesces: boolean;
}

/** A blow that waits for the node to stand between two effects. */
interface Armed {
  readonly boundaries: number;
  readonly strike: () => void;
}

/** Messages a paused process's sockets hold; more are lost. */
const inboxLimit = 5000;

export class SimNode {
  readonly name: string;
  readonly clock: SimClock;
  up = false;
  paused = false;
  /** Grows with each start: what an earlier life planned is void. */
  life = 0;
  /** Since when it has been running without a pause; Infinity when it is not. */
  steadySince = Number.POSITIVE_INFINITY;
  readonly outgoing: Outgoing;
  protected readonly world: World;
  private readonly turnRandom: SeededRandom;
  private readonly inbox: (() => void)[] = [];
  private readonly effects: (() => void)[] = [];
  private armed: Armed | null = null;
  private passed = 0;
  private inTurn = false;
  private turnPlanned = false;

  constructor(name: string, setting: NodeSetting, clock: SimClock, random: SeededRandom) {
    this.name = name;
    this.world = setting.world;
    this.clock = clock;
    this.turnRandom = random;
    this.outgoing = new Outgoing(
      () => setting.coalesces && this.inTurn,
      setting.transmit,
      ({ connection, direction }, message) =>
        this.note(`→ ${direction === 'toBroker' ? '' : `${connection} `}${describe(message)}`),
    );
  }

  /** Overridden by what must happen once a turn. */
  protected onTurnEnd(): void {}

  get now(): { readonly mono: number; readonly wall: number } {
    return this.clock.now(this.world.now);
  }

  /** Its clocks, as the grid's own code takes them. */
  get clockPort(): Clock {
    return { mono: () => this.now.mono, wall: () => this.now.wall };
  }

  /** Alarms of this life. */
  get alarms(): Alarms {
    return {
      after: (ms, run) => {
        let cancelled = false;
        this.timer(ms, () => {
          if (!cancelled) run();
        });
        return () => {
          cancelled = true;
        };
      },
    };
  }

  note(what: string): void {
    this.world.trace.note(this.name, what);
  }

  /** A job for the next turn, which comes at once or a moment later with whatever else arrives until then. */
  enqueue(job: () => void): void {
    if (!this.up || this.inbox.length >= inboxLimit) return;
    this.inbox.push(job);
    this.planTurn();
  }

  /** Calls `run` in a turn of this life after `ms` of this node's monotonic clock. */
  timer(ms: number, run: () => void): void {
    const { life } = this;
    this.world.after(this.clock.simDuration(ms), () => {
      if (this.life === life) this.enqueue(run);
    });
  }

  /**
   * Gives a frame to `take`, in a turn of its own, and spoils its bytes when all that came of it is done: they are only
   * lent (whoever keeps them keeps nonsense).
   */
  takeFrame({ frame, messages }: Packet, from: string, take: (frame: Buffer) => void): void {
    this.enqueue(() => {
      for (const message of messages) this.note(`← ${from}${describe(message)}`);
      const lent = Buffer.from(frame);
      take(lent);
      this.perform([lent], (bytes) => bytes.fill(0xee));
    });
  }

  /** Effects to perform, in order, before the next job of this turn. */
  perform<T>(effects: readonly T[], performOne: (effect: T) => void): void {
    for (const effect of effects) this.effects.push(() => performOne(effect));
  }

  /** Strikes when the node has passed `boundaries` more boundaries between effects. */
  arm(boundaries: number, strike: () => void): void {
    this.armed = { boundaries: this.passed + boundaries, strike };
  }

  /** Strikes an armed blow that no boundary has met. */
  strikeNow(): void {
    const { armed } = this;
    this.armed = null;
    armed?.strike();
  }

  start(): void {
    this.life += 1;
    this.up = true;
    this.paused = false;
    this.steadySince = this.world.now;
    this.clock.reborn(this.world.now);
  }

  crash(): void {
    this.up = false;
    this.paused = false;
    this.steadySince = Number.POSITIVE_INFINITY;
    this.life += 1;
    this.inbox.length = 0;
    this.effects.length = 0;
    this.outgoing.clear();
    this.turnPlanned = false;
  }

  pause(): void {
    this.paused = true;
    this.steadySince = Number.POSITIVE_INFINITY;
  }

  resume(): void {
    this.paused = false;
    this.steadySince = this.world.now;
    if (this.up) this.turn();
  }

  /** Whether something waits here to be done. */
  get busy(): boolean {
    return this.inbox.length > 0 || this.effects.length > 0;
  }

  private planTurn(): void {
    if (this.turnPlanned || this.paused || this.inTurn) return;
    if (this.turnRandom.chance(0.5)) {
      this.turn();
      return;
    }
    this.turnPlanned = true;
    const { life } = this;
    this.world.after(this.turnRandom.exponential(1), () => {
      if (this.life !== life) return;
      this.turnPlanned = false;
      this.turn();
    });
  }

  private turn(): void {
    if (this.inTurn) return;
    this.inTurn = true;
    while (this.canGoOn()) {
      const effect = this.effects.shift();
      if (effect !== undefined) {
        effect();
        this.passBoundary();
        continue;
      }
      const job = this.inbox.shift();
      if (job !== undefined) {
        job();
        this.passBoundary();
        continue;
      }
      this.onTurnEnd();
      if (!this.busy) break;
    }
    if (this.canGoOn()) this.outgoing.flush();
    this.inTurn = false;
  }

  private canGoOn(): boolean {
    return this.up && !this.paused;
  }

  private passBoundary(): void {
    this.passed += 1;
    if (this.armed !== null && this.passed >= this.armed.boundaries) this.strikeNow();
  }
}
