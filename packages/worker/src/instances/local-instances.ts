/**
 * The models that are loaded on this machine, for who asks them.
 *
 * 1. Only one that is ready is found, and of several of a model that with the fewest requests under way.
 * 2. Of each it is known how many requests are under way and when one of them moved last: what is hung is judged by that.
 */
import type { ModelUse } from '@gryphgen/protocol';
import type { Clock } from '@gryphgen/runtime';
import type { Fence } from '../core/fence.ts';
import { keyOf } from '../core/fence.ts';

/** Where a llama-server listens, and what opens it. */
export interface Door {
  readonly socketPath: string;
  readonly apiKey: string;
}

export interface InstanceFacts {
  readonly model: string;
  readonly use: ModelUse;
  /** It computes on no device. */
  readonly onHost: boolean;
}

export class LocalInstance {
  readonly fence: Fence;
  readonly facts: InstanceFacts;
  readonly door: Door;
  isReady = false;
  private readonly clock: Clock;
  private count = 0;
  private handing = 0;
  private lastMono: number;

  constructor(fence: Fence, facts: InstanceFacts, door: Door, clock: Clock) {
    this.fence = fence;
    this.facts = facts;
    this.door = door;
    this.clock = clock;
    this.lastMono = clock.mono();
  }

  get underWay(): number {
    return this.count;
  }

  /** Requests of which something is to come from the server, and not to be taken by who asked. */
  get computing(): number {
    return this.count - this.handing;
  }

  /** When a byte of an answer came last, or a request was begun with no other under way. */
  get movedMono(): number {
    return this.lastMono;
  }

  /** A request begins. Returns how to tell that it is over. */
  begin(): () => void {
    if (this.count === 0) this.moved();
    this.count += 1;
    let isOver = false;
    return () => {
      if (!isOver) this.count -= 1;
      isOver = true;
    };
  }

  /** A piece of an answer has come, and is handed on: as long as that takes, its request asks nothing of the server. */
  async handOver(taken: Promise<boolean>): Promise<boolean> {
    this.handing += 1;
    try {
      return await taken;
    } finally {
      this.handing -= 1;
      this.moved();
    }
  }

  private moved(): void {
    this.lastMono = this.clock.mono();
  }
}

export class LocalInstances {
  private readonly all = new Map<string, LocalInstance>();

  add(instance: LocalInstance): void {
    this.all.set(keyOf(instance.fence), instance);
  }

  remove(fence: Fence): void {
    this.all.delete(keyOf(fence));
  }

  /** Undefined when none of this model is ready here. */
  find(model: string, use: ModelUse): LocalInstance | undefined {
    let best: LocalInstance | undefined;
    for (const one of this.all.values()) {
      if (!one.isReady || one.facts.model !== model || one.facts.use !== use) continue;
      if (best === undefined || one.underWay < best.underWay) best = one;
    }
    return best;
  }
}
