/**
 * The models that are loaded on this machine, for who asks them.
 *
 * 1. Only one that is ready is found. Of several of a model: that which answered the chat so far, if it has a slot free; else that with
 *    the fewest requests under way, of equals that which answered most of the beginning. Which of its slots has that, the server sees.
 * 2. Of each it is known how many requests are under way and when one of them moved last: what is hung is judged by that. Of a slot
 *    that is taken (E42) it is known that there may be one.
 */
import type { ModelUse } from '@gryphgen/protocol';
import { type Clock, KeptConnections, type KeptDoor, prefixesOf } from '@gryphgen/runtime';
import { PromptPrefixes } from '@gryphgen/scheduler';
import type { Fence } from '../core/fence.ts';
import { keyOf } from '../core/fence.ts';
import type { ServerCounters } from './server-counters.ts';

/** Of a longer request the beginning is not looked for: it would hold up the others. */
const mostLookedBytes = 1024 * 1024;
/** Of a chat that goes on: what was answered, and what is asked next. */
const newBeginnings = 2;
/** One whose slots cannot be taken is offered to nobody for so long. */
const refusedMs = 30_000;
/** Of some 100 B each. */
const keptBeginnings = 8192;

export interface InstanceFacts {
  readonly model: string;
  readonly use: ModelUse;
  /** It computes on no device. */
  readonly onHost: boolean;
  /** Missing in what earlier versions wrote. */
  readonly slots?: number | undefined;
}

export class LocalInstance {
  readonly fence: Fence;
  readonly facts: InstanceFacts;
  readonly door: KeptDoor;
  /** By which it is asked. */
  readonly kept = new KeptConnections();
  isReady = false;
  /** What it told last. */
  counters: ServerCounters | undefined;
  /** What it is being asked to tell. */
  looking: Promise<ServerCounters | undefined> | undefined;
  private readonly losing = new AbortController();
  private refusedMono = Number.NEGATIVE_INFINITY;
  private readonly clock: Clock;
  private count = 0;
  private takenCount = 0;
  private handing = 0;
  private lastMono: number;

  constructor(fence: Fence, facts: InstanceFacts, door: KeptDoor, clock: Clock) {
    this.fence = fence;
    this.facts = facts;
    this.door = door;
    this.clock = clock;
    this.lastMono = clock.mono();
  }

  get underWay(): number {
    return this.count + this.takenCount;
  }

  /** Slots by which others ask it straight (E42): what is under way there, it alone knows. */
  get taken(): number {
    return this.takenCount;
  }

  /** It takes no more requests. */
  get gone(): AbortSignal {
    return this.losing.signal;
  }

  lose(): void {
    this.isReady = false;
    this.losing.abort();
  }

  get mayBeTaken(): boolean {
    return this.counters?.requests !== undefined || this.clock.mono() - this.refusedMono >= refusedMs;
  }

  refuseTaking(): void {
    this.refusedMono = this.clock.mono();
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

  /** One of its slots is taken. Returns how to tell that it is back. */
  take(): () => void {
    this.takenCount += 1;
    let isBack = false;
    return () => {
      if (!isBack) this.takenCount -= 1;
      isBack = true;
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
  private readonly prompts = new PromptPrefixes(keptBeginnings);

  add(instance: LocalInstance): void {
    this.all.set(keyOf(instance.fence), instance);
  }

  remove(fence: Fence): void {
    this.all.delete(keyOf(fence));
  }

  /** Undefined when none of this model is ready here. `request`: what it is to be asked next. */
  find(model: string, use: ModelUse, request?: Uint8Array): LocalInstance | undefined {
    const ready = this.readyOf(model, use);
    const isLooked = use === 'infer' && ready.length > 1 && (request?.length ?? 0) <= mostLookedBytes;
    const prefix = isLooked && request !== undefined ? prefixesOf(request) : [];
    let best: LocalInstance | undefined;
    let bestRank: Rank = [0, 0, 0];
    for (const one of ready) {
      const rank = this.rankOf(one, prefix);
      if (best !== undefined && !isBefore(bestRank, rank)) continue;
      best = one;
      bestRank = rank;
    }
    if (best !== undefined) this.prompts.note(keyOf(best.fence), model, prefix);
    return best;
  }

  /** Which alone is ready of this model: of several one is chosen for each request, and none for a slot. */
  only(model: string, use: ModelUse): LocalInstance | undefined {
    const [one, other] = this.readyOf(model, use);
    return other === undefined ? one : undefined;
  }

  private readyOf(model: string, use: ModelUse): readonly LocalInstance[] {
    return [...this.all.values()].filter(
      ({ isReady, facts }) => isReady && facts.model === model && facts.use === use,
    );
  }

  private rankOf({ fence, facts, underWay }: LocalInstance, prefix: readonly string[]): Rank {
    const isFree = underWay < (facts.slots ?? 1);
    const { length } = prefix;
    const known = isFree ? Math.round(length * this.prompts.shareOn(keyOf(fence), facts.model, prefix)) : 0;
    const goesOn = length > newBeginnings && known >= length - newBeginnings;
    return [goesOn ? 1 : 0, -underWay, known];
  }
}

/** Higher is better, the first that differs. */
type Rank = readonly [goesOn: number, idleness: number, known: number];

function isBefore(one: Rank, other: Rank): boolean {
  const at = one.findIndex((value, place) => value !== other[place]);
  return at >= 0 && (one[at] as number) < (other[at] as number);
}
