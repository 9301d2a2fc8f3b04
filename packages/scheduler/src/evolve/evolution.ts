/**
 * Whether another policy would have been better: looked for by a replay of the first part of the history, and judged by a
 * replay of the rest, which it was not chosen by.
 *
 * 1. The same history, policy and seed find the same.
 * 2. One candidate alone is judged: nothing is picked by the part that judges.
 * 3. Promoted is only what is better beyond chance: tasks are compared in pairs, in blocks of neighbours, which fare alike.
 */
import type { PlacementPolicy, PolicyEvidence, PolicyParts } from '@gryphgen/protocol';
import { LearnedForecast } from '../learn/learned-forecast.ts';
import { learned, underway } from '../mixed/policies.ts';
import { simulateMixed } from '../mixed/simulate.ts';
import { completePolicy, defaultPolicy } from '../placement-policy.ts';
import { SeededRandom } from '../seeded-random.ts';
import { type Step, stepInAll, steps } from './candidates.ts';
import { beginningOf, type History } from './history.ts';

/** Of the history, by which a candidate is chosen. */
const trainedShare = 0.7;
/** Fewer say nothing of a policy. */
const leastJudged = 120;
const stepsInAll = 12;
const blocks = 24;
const resamples = 2000;
/** Of the means that other histories like this one would have had, so many are worse than what is called the least. */
const chance = 0.01;
/** Less is not worth a change. */
const leastGain = 0.01;
/** How much later one in a hundred may end. */
const mostLater = 1.05;

/** From submission to end, ms. */
export interface Flow {
  readonly mean: number;
  readonly p99: number;
}

export interface Evolution {
  readonly promotes: boolean;
  readonly why: string;
  /** Candidates that were replayed. */
  readonly tried: number;
  readonly trained: number;
  readonly judged: number;
  /** Null: none was better on what it was to be chosen by. */
  readonly candidate: PolicyParts | null;
  readonly training: { readonly before: Flow; readonly after: Flow } | null;
  /** Of the candidate. */
  readonly evidence: PolicyEvidence | null;
}

export interface EvolutionOptions {
  /** Judged is only what was submitted since then (wall ms). */
  readonly since?: number;
  readonly seed?: number;
  /** Told before each candidate, of all. */
  readonly progress?: (done: number, all: number) => void;
}

export function evolve(
  history: History,
  from: PlacementPolicy,
  { since = 0, seed = 1, progress = () => {} }: EvolutionOptions = {},
): Evolution {
  const { trained, judged, tooFew } = dividedAt(history, since);
  const found = { tried: 0, trained, judged, candidate: null, training: null, evidence: null };
  if (tooFew !== undefined) return { ...found, promotes: false, why: tooFew };
  const search = new Search(beginningOf(history, trained), partsOf(from), progress);
  const random = new SeededRandom(seed);
  const all = [
    () => partsOf(defaultPolicy),
    ...steps,
    ...Array.from({ length: stepsInAll }, () => stepInAll(random)),
  ];
  search.climb(all);
  const { candidate, tried, before, after } = search;
  if (candidate === null)
    return { ...found, tried, promotes: false, why: 'no candidate was better on what it would be chosen by' };
  const evidence = judge(history, trained, from, candidate);
  const training = { before, after };
  return { ...found, tried, candidate, training, evidence, ...verdictOn(evidence) };
}

export interface Judgement {
  readonly promotes: boolean;
  readonly why: string;
  /** Null: there is too little to judge by. */
  readonly evidence: PolicyEvidence | null;
}

/** What the same history says of a policy that somebody else has found; `since`: as of `evolve`. */
export function judgePolicy(
  history: History,
  from: PlacementPolicy,
  candidate: PolicyParts,
  { since }: { readonly since: number },
): Judgement {
  const { trained, tooFew } = dividedAt(history, since);
  if (tooFew !== undefined) return { promotes: false, why: tooFew, evidence: null };
  const evidence = judge(history, trained, partsOf(from), candidate);
  return { evidence, ...verdictOn(evidence) };
}

/** Into what a policy is chosen by and what judges it; `tooFew` words where that is too little. */
function dividedAt({ tasks }: History, since: number) {
  const fresh = tasks.findIndex(({ queuedAt }) => queuedAt >= since);
  const trained = Math.max(Math.floor(trainedShare * tasks.length), fresh === -1 ? tasks.length : fresh);
  const judged = tasks.length - trained;
  const words = `${judged} tasks to judge by are too few: ${leastJudged} are needed`;
  return { trained, judged, tooFew: judged < leastJudged ? words : undefined };
}

function partsOf(policy: PlacementPolicy): PolicyParts {
  const { version: _, ...parts } = completePolicy(policy);
  return parts;
}

/** Goes on from the candidate under which the mean is shortest so far. */
class Search {
  candidate: PolicyParts | null = null;
  tried = 0;
  readonly before: Flow;
  after: Flow;
  private readonly from: PolicyParts;
  private readonly history: History;
  private readonly progress: (done: number, all: number) => void;

  constructor(history: History, from: PolicyParts, progress: (done: number, all: number) => void) {
    this.history = history;
    this.progress = progress;
    this.from = from;
    this.before = flowOf(replay(history, from));
    this.after = this.before;
  }

  climb(steps: readonly Step[]): void {
    for (const step of steps) {
      this.progress(this.tried, steps.length);
      this.tried += 1;
      const candidate = step(this.candidate ?? this.from);
      const flow = flowOf(replay(this.history, candidate));
      if (flow.mean >= this.after.mean || flow.p99 > mostLater * this.before.p99) continue;
      this.candidate = candidate;
      this.after = flow;
    }
  }
}

/** ms from submission to end, in the order of arrival. */
function replay({ machines, workload }: History, parts: PolicyParts): readonly number[] {
  const policies = { inForce: { ...parts, version: 0 } };
  const completions = simulateMixed({
    machines,
    workload,
    policy: (world) =>
      learned(world, new LearnedForecast((view) => underway(world, view), policies), policies),
  });
  return completions.map(({ ms }) => ms);
}

function judge(history: History, trained: number, from: PolicyParts, candidate: PolicyParts): PolicyEvidence {
  const [was, is] = [from, candidate].map((parts) => replay(history, parts).slice(trained)) as [
    number[],
    number[],
  ];
  const [before, after] = [flowOf(was), flowOf(is)];
  const judgedTasks = history.tasks.slice(trained);
  return {
    trained,
    judged: judgedTasks.length,
    since: judgedTasks[0]?.queuedAt ?? 0,
    until: Math.max(...judgedTasks.map(({ endedAt }) => endedAt)),
    mean: { before: before.mean, after: after.mean },
    p99: { before: before.p99, after: after.p99 },
    gain: 1 - after.mean / before.mean,
    leastGain: leastGainOf(was, is),
  };
}

function verdictOn({ gain, leastGain: atLeast, p99 }: PolicyEvidence): Pick<Evolution, 'promotes' | 'why'> {
  if (atLeast <= 0)
    return { promotes: false, why: 'on what it was not chosen by it is no better, but for chance' };
  if (gain < leastGain) return { promotes: false, why: 'it is better by too little to be worth a change' };
  if (p99.after > mostLater * p99.before)
    return { promotes: false, why: 'one task in a hundred ends too much later' };
  return { promotes: true, why: 'on what it was not chosen by it is better beyond chance' };
}

/** A bootstrap over blocks of neighbours: what the gain is at least. */
function leastGainOf(was: readonly number[], is: readonly number[]): number {
  const each = Math.ceil(was.length / blocks);
  const sums: (readonly [was: number, is: number])[] = [];
  for (let at = 0; at < was.length; at += each)
    sums.push([sumOf(was.slice(at, at + each)), sumOf(is.slice(at, at + each))]);
  const random = new SeededRandom('blocks');
  const gains = Array.from({ length: resamples }, () => {
    let [before, after] = [0, 0];
    for (let drawn = 0; drawn < sums.length; drawn += 1) {
      const [a, b] = random.pick(sums);
      before += a;
      after += b;
    }
    return 1 - after / before;
  });
  return gains.sort((a, b) => a - b)[Math.floor(chance * resamples)] as number;
}

function flowOf(ms: readonly number[]): Flow {
  const sorted = ms.toSorted((a, b) => a - b);
  return {
    mean: sumOf(ms) / ms.length,
    p99: sorted[Math.min(ms.length - 1, Math.floor(0.99 * ms.length))] as number,
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
