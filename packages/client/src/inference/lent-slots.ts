/**
 * Which questions ask for their slot to be lent, and which go to slots that are (E41): who asks a model again and again is answered
 * by slots that it keeps for a while, with no word of the broker's for each.
 *
 * 1. A question is lent to by its like alone: those of one kind, model, path, priority and party, with nothing asked for beside.
 * 2. Loans are asked for where questions come often, `mostPending` at a time beyond those that there are. One that waits for a slot
 *    has others called back; after that no more than there were are asked for, for `growAgainMs`.
 * 3. Where others wait for the model (a loan is called back, and nobody from here began to wait at the broker just before), nothing is
 *    lent for `restMs`: each question has its turn at the broker.
 * 4. A question that finds all slots busy waits for one here, `patienceMs` at most; then it waits at the broker, which has other
 *    instances begun for those who do.
 * 5. A slot that nobody asks for `idleMs` is given back.
 */
import { limits } from '@gryphgen/protocol';
import { type Cancel, fitsLentSlot, type OverReason } from '@gryphgen/runtime';
import { LentSlot, type SlotPlace } from './lent-slot.ts';
import type { Question } from './question.ts';
import { type SlotLine, type Way, Wish, type Wished } from './wish.ts';

/** Questions in a second or two that make it worth while. */
const often = 4;
const countMs = 1000;
const idleMs = 300;
const patienceMs = 500;
const growAgainMs = 2000;
/** As many as most instances have slots: what comes at once is answered at once. */
const mostPending = 4;
/** Between what was asked at the broker and the calling back of loans that it caused. */
const ownRecallMs = 250;
const restMs = 1000;
/** More kinds of questions than one session asks at a time. */
const keptGroups = 64;

export class LentSlots {
  private readonly place: SlotPlace;
  private readonly groups = new Map<string, SlotGroup>();

  constructor(place: SlotPlace) {
    this.place = place;
  }

  /** How it is had from now on; what it throws is that of `submit`. */
  ask(wished: Wished): Way {
    const { question } = wished;
    return isLike(question) ? this.groupOf(question).ask(wished) : wished.submit();
  }

  close(): void {
    for (const group of this.groups.values()) group.close();
  }

  private groupOf({ kind, model, path, priority, name, party }: Question): SlotGroup {
    const key = JSON.stringify([kind, model, path, priority, name, party]);
    const found = this.groups.get(key);
    if (found !== undefined) return found;
    if (this.groups.size >= keptGroups)
      for (const [other, group] of this.groups) if (group.isEmpty) this.groups.delete(other);
    const made = new SlotGroup(this.place);
    this.groups.set(key, made);
    return made;
  }
}

function isLike({ request, labels, queueTimeoutMs, timeoutMs }: Question): boolean {
  return (
    request instanceof Uint8Array &&
    fitsLentSlot(request) &&
    labels === undefined &&
    queueTimeoutMs === undefined &&
    timeoutMs === undefined
  );
}

class SlotGroup {
  private readonly place: SlotPlace;
  private readonly slots = new Set<LentSlot>();
  private readonly free: { readonly slot: LentSlot; sinceMono: number }[] = [];
  private readonly waiting = new Set<Wish>();
  /** Loans that are asked for and have no place yet. */
  private pending = 0;
  private count = 0;
  private countBefore = 0;
  private countedMono = Number.NEGATIVE_INFINITY;
  private grewMono = Number.NEGATIVE_INFINITY;
  private wentLateMono = Number.NEGATIVE_INFINITY;
  /** Most that there were of late, until which time. */
  private most = { slots: Number.POSITIVE_INFINITY, untilMono: Number.NEGATIVE_INFINITY };
  private restUntilMono = Number.NEGATIVE_INFINITY;
  private cancelSweep: Cancel | undefined;

  constructor(place: SlotPlace) {
    this.place = place;
  }

  get isEmpty(): boolean {
    return this.slots.size === 0 && this.waiting.size === 0;
  }

  ask(wished: Wished): Way {
    const nowMono = this.place.clock.mono();
    this.noteAsked(nowMono);
    const wish = new Wish(wished, {
      left: (one) => this.waiting.delete(one),
      goesLate: () => {
        this.wentLateMono = this.place.clock.mono();
      },
    });
    const found = this.free.pop();
    if (found !== undefined) wish.askSlot(found.slot);
    else if (nowMono < this.restUntilMono) wish.submit();
    else if (this.mayGrow(nowMono)) this.grow(wish, nowMono);
    else if (this.slots.size === 0) wish.submit();
    else this.wait(wish);
    return wish;
  }

  close(): void {
    this.cancelSweep?.();
    this.cancelSweep = undefined;
    this.free.length = 0;
    for (const slot of [...this.slots]) slot.giveBack();
  }

  private noteAsked(nowMono: number): void {
    const sinceMs = nowMono - this.countedMono;
    if (sinceMs >= countMs) {
      this.countBefore = sinceMs < 2 * countMs ? this.count : 0;
      this.count = 0;
      this.countedMono = nowMono;
    }
    this.count += 1;
  }

  private mayGrow(nowMono: number): boolean {
    const isOften = this.count + this.countBefore >= often;
    const most = nowMono < this.most.untilMono ? this.most.slots : limits.instanceSlots;
    return isOften && this.pending < mostPending && this.slots.size < most;
  }

  private grow(wish: Wish, nowMono: number): void {
    const slot = new LentSlot(wish.answer, this.place);
    this.slots.add(slot);
    this.pending += 1;
    this.grewMono = nowMono;
    let isPending = true;
    const settle = (): void => {
      if (isPending) this.pending -= 1;
      isPending = false;
    };
    let line: SlotLine | undefined;
    slot.own({
      tell: (record) => line?.tell(record),
      cancel: () => line?.cancel(),
      placed: () => {
        settle();
        // Those that were placed meanwhile show that there is room for as many.
        this.most = { ...this.most, slots: Math.max(this.most.slots, this.slots.size - this.pending) };
        this.growForWaiting();
      },
      free: () => this.isFree(slot),
      over: (why) => {
        settle();
        this.isOver(slot, why);
        line?.over();
      },
    });
    try {
      line = wish.submit(slot).line;
    } catch (error) {
      settle();
      this.slots.delete(slot);
      throw error;
    }
  }

  /** Who waits first asks for one more, if that is of use. */
  private growForWaiting(): void {
    const nowMono = this.place.clock.mono();
    const [first] = this.waiting;
    if (first === undefined || nowMono < this.restUntilMono || !this.mayGrow(nowMono)) return;
    first.stopWaiting();
    try {
      this.grow(first, nowMono);
    } catch (error) {
      first.answer.failWith(error);
    }
  }

  private wait(wish: Wish): void {
    this.waiting.add(wish);
    wish.waitsFor(this.place.alarms, patienceMs);
  }

  private isFree(slot: LentSlot): void {
    const [first] = this.waiting;
    if (first === undefined) {
      this.free.push({ slot, sinceMono: this.place.clock.mono() });
      this.sweepLater(idleMs);
      return;
    }
    first.stopWaiting();
    first.askSlot(slot);
  }

  private isOver(slot: LentSlot, why: OverReason | 'lost'): void {
    const nowMono = this.place.clock.mono();
    const before = this.slots.size - this.pending;
    this.slots.delete(slot);
    const at = this.free.findIndex((one) => one.slot === slot);
    if (at >= 0) this.free.splice(at, 1);
    if (why === 'recalled') this.noteRecalled(nowMono, before);
    if (this.slots.size > 0 && nowMono >= this.restUntilMono) this.growForWaiting();
    else for (const wish of [...this.waiting]) wish.giveUpWaiting();
  }

  private noteRecalled(nowMono: number, before: number): void {
    if (nowMono - this.grewMono <= ownRecallMs) {
      if (nowMono >= this.most.untilMono)
        this.most = { slots: Math.max(1, before), untilMono: nowMono + growAgainMs };
    } else if (nowMono - this.wentLateMono > ownRecallMs) this.restUntilMono = nowMono + restMs;
  }

  /** One alarm for all that are free. */
  private sweepLater(ms: number): void {
    this.cancelSweep ??= this.place.alarms.after(ms, () => {
      this.cancelSweep = undefined;
      const nowMono = this.place.clock.mono();
      // The last that was free is asked first: the others may go.
      while (this.free[0] !== undefined && nowMono - this.free[0].sinceMono >= idleMs)
        this.free.shift()?.slot.giveBack();
      const [oldest] = this.free;
      if (oldest !== undefined) this.sweepLater(idleMs - (nowMono - oldest.sinceMono));
    });
  }
}
