/**
 * Prompts that begin alike go where their beginning was computed already: a model's server keeps what it computed of a prompt
 * for the next that begins so. Who asks tells hashes of ever longer beginnings, never the text.
 *
 * 1. Of workers that would end it about as soon (`nearTotal`, `nearFinish`) the one that knows most of the prompt is taken;
 *    which that is decides nothing else, so a worker that is clearly better takes it whatever others know.
 * 2. What is remembered is bounded: those told least recently go first. It is a hint: the server may have forgotten.
 */
import type { PlacementPolicy, WorkerId } from '@gryphgen/protocol';
import type { TypicalDemand } from './demand.ts';
import type { WorkerDecision } from './explain.ts';
import type { Outlook } from './learn/finish-planner.ts';
import { type Placement, placedOn } from './place.ts';
import { isFeasible } from './predicates.ts';
import { RecentMap } from './recency.ts';
import { totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

type Placed = Extract<Placement, { kind: 'placed' }>;

/** Of totals: less than a machine that was lost once, more than how evenly slots are taken. */
const nearTotal = 0.1;
/** How many times longer it may take where the prompt is known. */
const nearFinish = 1.1;
/** Of some 100 B each: the last eight beginnings of 8000 conversations. */
const keptBeginnings = 65_536;

/** Which beginnings were answered where: on which workers, or by which instances of one. */
export class PromptPrefixes {
  private readonly known: RecentMap<true>;

  constructor(most = keptBeginnings) {
    this.known = new RecentMap(most);
  }

  /** `prefix`: hashes of its beginnings, the shortest first. */
  note(place: string, model: string, prefix: readonly string[]): void {
    for (const hash of prefix) {
      const key = keyOf(place, model, hash);
      if (this.known.use(key) === undefined) this.known.add(key, true);
    }
  }

  /** 0..1: how many of its beginnings, up to the longest that is known there. */
  shareOn(place: string, model: string, prefix: readonly string[]): number {
    const longest = prefix.findLastIndex((hash) => this.known.get(keyOf(place, model, hash)) !== undefined);
    return prefix.length === 0 ? 0 : (longest + 1) / prefix.length;
  }
}

/** What is weighed of the workers, and how. */
export interface Among {
  readonly views: readonly WorkerView[];
  readonly demand: TypicalDemand;
  readonly policy: PlacementPolicy;
  /** What is expected there, where that is known. */
  readonly outlooks: readonly Outlook[];
  readonly shareOn: (worker: WorkerId) => number;
}

/** `first` itself where nobody as good knows more of the prompt. */
export function warmest(
  task: Shape,
  first: Placed,
  { views, demand, policy, outlooks, shareOn }: Among,
): Placed {
  const shape = normalized(task);
  const expected = new Map(outlooks.map((outlook) => [outlook.worker, outlook]));
  const firstMs = expected.get(first.worker)?.takesMs ?? Number.POSITIVE_INFINITY;
  let best = first;
  let bestShare = shareOn(first.worker);
  for (const view of views) {
    const { id, report } = view;
    const share = shareOn(id);
    if (share < bestShare || share === 0 || report === null || !isFeasible(shape, view, report)) continue;
    const outlook = expected.get(id);
    if ((outlook?.takesMs ?? 0) > nearFinish * firstMs) continue;
    const total = outlook?.total ?? totalOf(shape, view, report, demand, policy);
    if (total < first.total - nearTotal) continue;
    const isBetter = share > bestShare || total > best.total || (total === best.total && id < best.worker);
    if (!isBetter) continue;
    const placed = placedOn(shape, view, report, demand, total);
    if (placed.kind !== 'placed') continue;
    best = placed;
    bestShare = share;
  }
  return best;
}

/** The share among the scores of each that could take it: no part of the total. */
export function withPrefix(
  decisions: readonly WorkerDecision[],
  shareOn: (worker: WorkerId) => number,
): readonly WorkerDecision[] {
  return decisions.map((decision) =>
    decision.scores === undefined
      ? decision
      : { ...decision, scores: { ...decision.scores, prefix: shareOn(decision.worker as WorkerId) } },
  );
}

function keyOf(place: string, model: string, hash: string): string {
  return `${place} ${model} ${hash}`;
}
