/**
 * Containers that wait for small tasks: made ahead, of the shapes that tasks of late had, and used once each.
 *
 * 1. An attempt gets one of its own key or none (warm-wish.ts); nothing that ran for one attempt is ever given to another.
 * 2. Bounded by number, for each shape and in all, by the time for which nobody asked for its shape, and by pressure: then
 *    all go. They are reserved nothing, and hold next to nothing: a shell that has read no order.
 * 3. They are made one at a time and beside what runs: no attempt waits for one.
 * 4. What an earlier life left is not taken over: without its worker a shell that waits ends.
 */
import type { Alarms, Cancel, Clock, Log, Random } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { type Owner, warmNameOf, writeWarmLabels } from './container-labels.ts';
import { wordsOf } from './docker-engine.ts';
import { WarmContainer } from './warm-container.ts';
import type { WarmWish } from './warm-wish.ts';

export interface WarmLimits {
  /** In all; 0: none are kept. */
  readonly total: number;
  /** How long one is kept for which nobody asks. */
  readonly idleMs: number;
}
export const defaultWarmLimits: WarmLimits = { total: 8, idleMs: 600_000 };

/** Of one shape: as many as may begin while the next is made. */
const perShape = 4;
/** The attempt that took one goes first. */
const refillAfterMs = 50;
/** What could not be made once is tried again then: an image that gets a shell, an engine that has room again. */
const tryAgainMs = 60_000;
const maxShapes = 64;

export interface WarmPoolOptions {
  readonly docker: Docker;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  readonly limits: WarmLimits;
  readonly signal: AbortSignal;
  remove(id: string): Promise<void>;
}

interface Shape {
  readonly spec: WarmWish['spec'];
  readonly waiting: WarmContainer[];
  cancelIdle: Cancel;
  failed: { readonly words: string; readonly untilMono: number } | null;
}

export class WarmPool {
  private readonly options: WarmPoolOptions;
  /** By key, that asked for last at the end. */
  private readonly shapes = new Map<string, Shape>();
  /** Of those that were begun here and are not removed or taken yet: no strays. */
  private readonly own = new Set<string>();
  private readonly removing = new Set<Promise<void>>();
  private making: Promise<void> | null = null;
  private cancelRefill: Cancel = () => undefined;
  private pressed = false;

  constructor(options: WarmPoolOptions) {
    this.options = options;
  }

  /** That are ready. */
  get kept(): number {
    return [...this.shapes.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  owns(nonce: string): boolean {
    return this.own.has(nonce);
  }

  /** One that nobody else gets; else in words why there is none. More of the shape are made soon. */
  take({ key, spec }: WarmWish): WarmContainer | { readonly none: string } {
    const { limits } = this.options;
    if (limits.total === 0) return { none: 'this worker keeps none' };
    const shape = this.touch(key, spec);
    this.refillLater();
    const taken = shape.waiting.shift();
    if (taken !== undefined) return taken;
    if (this.pressed) return { none: 'this worker is short of room' };
    return { none: shape.failed === null ? 'none was ready' : `none can be made: ${shape.failed.words}` };
  }

  /** Of one that was taken: it has become an attempt's. */
  handedOver(nonce: string): void {
    this.own.delete(nonce);
  }

  /** Of one that was taken, and is nobody's. */
  drop({ nonce, container }: WarmContainer): void {
    void this.remove(nonce, container.id);
  }

  press(pressed: boolean): void {
    if (this.pressed && !pressed) this.refillLater();
    this.pressed = pressed;
    if (pressed) for (const shape of this.shapes.values()) this.empty(shape);
  }

  /** Resolves when all are gone. */
  async close(): Promise<void> {
    this.press(true);
    this.cancelRefill();
    for (const { cancelIdle } of this.shapes.values()) cancelIdle();
    await this.making;
    await Promise.all(this.removing);
  }

  private touch(key: string, spec: WarmWish['spec']): Shape {
    const { alarms, clock, limits } = this.options;
    const shape = this.shapes.get(key) ?? { spec, waiting: [], cancelIdle: () => undefined, failed: null };
    this.forget(key, shape);
    for (const [other, old] of this.shapes) {
      if (this.shapes.size < maxShapes) break;
      this.empty(old);
      this.forget(other, old);
    }
    this.shapes.set(key, shape);
    shape.cancelIdle = alarms.after(limits.idleMs, () => {
      this.empty(shape);
      this.forget(key, shape);
    });
    if (shape.failed !== null && clock.mono() >= shape.failed.untilMono) shape.failed = null;
    return shape;
  }

  private forget(key: string, shape: Shape): void {
    shape.cancelIdle();
    this.shapes.delete(key);
  }

  private empty({ waiting }: Shape): void {
    for (const warm of waiting.splice(0)) this.drop(warm);
  }

  private remove(nonce: string, id: string): Promise<void> {
    const gone = this.options.remove(id).then(() => {
      this.own.delete(nonce);
      this.removing.delete(gone);
    });
    this.removing.add(gone);
    return gone;
  }

  private refillLater(): void {
    this.cancelRefill();
    this.cancelRefill = this.options.alarms.after(refillAfterMs, () => void this.refill());
  }

  /** One at a time, those first that were asked for last; until there is nothing to make. */
  private async refill(): Promise<void> {
    for (;;) {
      if (this.making !== null) {
        await this.making;
        continue;
      }
      const next = this.next();
      if (next === undefined) return;
      this.making = this.make(next);
      await this.making;
      this.making = null;
    }
  }

  private next(): Shape | undefined {
    const { limits, signal } = this.options;
    if (this.pressed || signal.aborted) return undefined;
    const shapes = [...this.shapes.values()].reverse();
    const index = shapes.findIndex(({ waiting, failed }) => waiting.length < perShape && failed === null);
    const shape = shapes[index];
    if (shape === undefined || this.kept < limits.total) return shape;
    // There is room for it only where an older shape has more than it.
    const older = shapes.slice(index + 1).findLast(({ waiting }) => waiting.length > shape.waiting.length);
    const given = older?.waiting.shift();
    if (given === undefined) return undefined;
    this.drop(given);
    return shape;
  }

  private async make(shape: Shape): Promise<void> {
    const { docker, owner, random, clock, log, signal } = this.options;
    const nonce = random.bytes(16).toString('hex');
    const Labels = { ...shape.spec.Labels, ...writeWarmLabels(owner, nonce) };
    const spec = { ...shape.spec, name: warmNameOf(owner, nonce), Labels };
    this.own.add(nonce);
    try {
      const warm = await WarmContainer.begin(docker, nonce, spec, this.options, {
        onOver: () => this.ended(shape, nonce),
        remove: (id) => this.remove(nonce, id),
      });
      const isWanted = !this.pressed && [...this.shapes.values()].includes(shape);
      if (isWanted) shape.waiting.push(warm);
      else await this.remove(nonce, warm.container.id);
    } catch (error) {
      if (signal.aborted) return;
      this.own.delete(nonce);
      shape.failed = { words: wordsOf(error), untilMono: clock.mono() + tryAgainMs };
      log.warn({ image: shape.spec.Image, why: shape.failed.words }, 'no container can be kept warm');
    }
  }

  /** Before anybody took it. */
  private ended(shape: Shape, nonce: string): void {
    const at = shape.waiting.findIndex((warm) => warm.nonce === nonce);
    for (const warm of at < 0 ? [] : shape.waiting.splice(at, 1)) this.drop(warm);
  }
}
