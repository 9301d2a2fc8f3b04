/** Prompts go where their beginning is known, among workers that are as good. */
import type { WorkerId } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nothingKnown } from './demand.ts';
import type { Outlook } from './learn/finish-planner.ts';
import { reserve } from './ledger.ts';
import { place } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { isFeasible } from './predicates.ts';
import { PromptPrefixes, warmest, withPrefix } from './prefix.ts';
import { worker } from './reference-grid.fixture.ts';
import { totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const nothing = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
const request: Shape = { kind: 'infer', resources: nothing, constraints: { labels: {} }, model: 'tiny' };
const slot = { ...nothing, devices: [], model: 'tiny' };

function serving(id: string, { slots = 4, busy = 0, speed = 1, reliability = 1 } = {}): WorkerView {
  const view = worker(id, { capabilities: ['infer', 'instance'], speed });
  changeView(view, { models: new Map([['tiny', { slots, isComing: false }]]), reliability });
  for (let n = 0; n < busy; n += 1) reserve(view.ledger, slot);
  return view;
}

function warmestOf(
  views: readonly WorkerView[],
  shares: Readonly<Record<string, number>>,
  outlooks: readonly Outlook[] = [],
) {
  const first = place(request, views);
  if (first.kind !== 'placed') return undefined;
  const shareOn = (id: WorkerId) => shares[id] ?? 0;
  const among = { views, demand: nothingKnown, policy: defaultPolicy, outlooks, shareOn };
  return { first, best: warmest(request, first, among) };
}
const chosen = (...args: Parameters<typeof warmestOf>) => warmestOf(...args)?.best.worker;

describe('a prompt', () => {
  it('goes where most of it is known', () => {
    const views = [serving('w-1'), serving('w-2'), serving('w-3')];
    expect(chosen(views, {})).toBe('w-1');
    expect(chosen(views, { 'w-2': 0.5 })).toBe('w-2');
    expect(chosen(views, { 'w-2': 0.5, 'w-3': 0.75 })).toBe('w-3');
  });

  it('goes elsewhere when nothing is free there, or another is clearly better', () => {
    expect(chosen([serving('w-1'), serving('w-2', { busy: 4 })], { 'w-2': 1 })).toBe('w-1');
    expect(chosen([serving('w-1'), serving('w-2', { reliability: 0.3 })], { 'w-2': 1 })).toBe('w-1');
    const outlook = (id: string, takesMs: number): Outlook => ({
      ...{ worker: id as WorkerId, startMs: 0, takesMs, score: 0.5, total: 0.7 },
    });
    const alike = [serving('w-1'), serving('w-2')];
    const views = (ms: number) => [outlook('w-1', 1000), outlook('w-2', ms)];
    const warm = (ms: number) => {
      const first = { kind: 'placed', worker: 'w-1' as WorkerId, reservation: slot, total: 0.7 } as const;
      const shareOn = (id: WorkerId) => (id === 'w-2' ? 1 : 0);
      const among = {
        views: alike,
        demand: nothingKnown,
        policy: defaultPolicy,
        outlooks: views(ms),
        shareOn,
      };
      return warmest(request, first, among).worker;
    };
    expect([warm(1050), warm(1500)]).toEqual(['w-2', 'w-1']);
  });

  it('is taken only by who could take it and is nearly as good; where nothing is known nothing changes', () => {
    const seat = fc.record({
      busy: fc.integer({ min: 0, max: 4 }),
      speed: fc.double({ min: 0.1, max: 2, noNaN: true }),
      reliability: fc.double({ min: 0, max: 1, noNaN: true }),
      share: fc.constantFrom(0, 0, 0.25, 0.5, 1),
    });
    fc.assert(
      fc.property(fc.array(seat, { minLength: 1, maxLength: 8 }), (seats) => {
        const views = seats.map((one, nth) => serving(`w-${nth}`, one));
        const shares = Object.fromEntries(seats.map(({ share }, nth) => [`w-${nth}`, share]));
        const found = warmestOf(views, shares);
        if (found === undefined) return;
        const { first, best } = found;
        const view = views.find(({ id }) => id === best.worker);
        const shape = normalized(request);
        if (view?.report == null) throw new Error('placed on nobody');
        expect(isFeasible(shape, view, view.report)).toBe(true);
        expect(best.total).toBe(totalOf(shape, view, view.report, nothingKnown, defaultPolicy));
        expect(best.total).toBeGreaterThanOrEqual(first.total - 0.1);
        expect(shares[best.worker]).toBeGreaterThanOrEqual(shares[first.worker] ?? 0);
        expect(chosen(views.toReversed(), shares)).toBe(best.worker);
        expect(chosen(views, {})).toBe(first.worker);
      }),
    );
  });
});

describe('what is known of prompts', () => {
  const w1 = 'w-1' as WorkerId;

  it('is how far one goes that was answered there', () => {
    const prefixes = new PromptPrefixes();
    prefixes.note(w1, 'tiny', ['a', 'ab']);
    expect(prefixes.shareOn(w1, 'tiny', ['a', 'ab', 'abc', 'abcd'])).toBe(0.5);
    expect(prefixes.shareOn(w1, 'tiny', ['b'])).toBe(0);
    expect(prefixes.shareOn(w1, 'other', ['a'])).toBe(0);
    expect(prefixes.shareOn('w-2' as WorkerId, 'tiny', ['a'])).toBe(0);
    expect(prefixes.shareOn(w1, 'tiny', [])).toBe(0);
  });

  it('is bounded, and what was used last stays', () => {
    const prefixes = new PromptPrefixes(2);
    prefixes.note(w1, 'tiny', ['a', 'b']);
    prefixes.note(w1, 'tiny', ['a']);
    prefixes.note(w1, 'tiny', ['c']);
    expect(['a', 'b', 'c'].map((hash) => prefixes.shareOn(w1, 'tiny', [hash]))).toEqual([1, 0, 1]);
  });

  it('stands among the scores of those that could take it', () => {
    const decisions = [
      { worker: 'w-1', name: 'one', feasible: true, scores: { fit: 1 }, total: 0.4 },
      { worker: 'w-2', name: 'two', feasible: false, reasons: ['busy'] },
    ];
    expect(withPrefix(decisions, () => 0.5)).toEqual([
      { ...decisions[0], scores: { fit: 1, prefix: 0.5 } },
      decisions[1],
    ]);
  });
});
