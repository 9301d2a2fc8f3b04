/**
 * Runs the core: one event after the other, effects in the order they were decided.
 *
 * 1. Steps never nest: an event that an effect causes in the same turn (a task that ends at once) waits its turn.
 * 2. What executors tell before adoption is complete waits for it: the core must know an attempt before its end.
 */
import type { Clock } from '@gryphgen/runtime';
import type { WorkerEffect } from './core/effects.ts';
import type { WorkerEvent } from './core/events.ts';
import type { WorkerState } from './core/state.ts';
import { stepWorker } from './core/step.ts';
import type { ExecutorEvents } from './executors/executor.ts';

export class CoreLoop {
  private readonly clock: Clock;
  private readonly perform: (effect: WorkerEffect) => void;
  private readonly queue: WorkerEvent[] = [];
  private state: WorkerState | null = null;
  private stepping = false;
  private stopped = false;

  constructor(clock: Clock, perform: (effect: WorkerEffect) => void) {
    this.clock = clock;
    this.perform = perform;
  }

  /** `adopted` comes first, then what was told meanwhile. */
  begin(state: WorkerState, adopted: Extract<WorkerEvent, { kind: 'adopted' }>): void {
    this.state = state;
    this.queue.unshift(adopted);
    this.drain();
  }

  /** Throws when the core finds an invariant broken: the worker must not go on then. */
  post(event: WorkerEvent): void {
    if (this.stopped) return;
    this.queue.push(event);
    this.drain();
  }

  /** What executors tell, to be taken up here. */
  executorEvents(): ExecutorEvents {
    return {
      started: (fence) => this.post({ kind: 'started', fence }),
      used: (fence, reading) => this.post({ kind: 'used', fence, reading }),
      served: (fence, service) => this.post({ kind: 'served', fence, service }),
      exited: (fence, exit) => this.post({ kind: 'exited', fence, exit }),
      startFailed: (fence, failure) => this.post({ kind: 'startFailed', fence, failure }),
    };
  }

  stop(): void {
    this.stopped = true;
    this.queue.length = 0;
  }

  private drain(): void {
    const { state, clock, queue } = this;
    if (state === null || this.stepping) return;
    this.stepping = true;
    try {
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        const effects = stepWorker(state, event, { mono: clock.mono(), wall: clock.wall() });
        for (const effect of effects) this.perform(effect);
      }
    } finally {
      this.stepping = false;
    }
  }
}
