/** How placement weighs what it knows, as one thing with a version: it can be replaced, and put back, as a whole. */
import { z } from 'zod';

/** The terms of a worker's score, as `grid explain` names them. */
export const scoreTerms = ['fit', 'image', 'reliability', 'load', 'spread', 'speed'] as const;
export type ScoreTerm = (typeof scoreTerms)[number];

const share = z.number().min(0).max(1);
/** What sums of rounded weights may be off by. */
const sumError = 1e-6;

const correctionsSchema = z.object({
  /** Runs of a class seen from which on what it needs of memory is charged. */
  leastSeen: z.number().int().min(1).max(50),
  /** What is charged: so much of the way from what half of its runs needed to what nine of ten did. */
  chargeReach: share,
  /** One in so many runs of a class may be a try where it is hardly known, which may take so many times longer than the best. */
  runsPerTry: z.number().int().min(2).max(1000),
  tryCost: z.number().min(1).max(10),
  /** Runs of a class from which on one of it may wait by choice. */
  waitRuns: z.number().int().min(1).max(100),
  /** So many times what a task takes it lets others go first that came after it and take nothing. */
  yieldShare: z.number().min(0).max(16),
});

/** How far what was learned is gone by. */
export type PolicyCorrections = z.infer<typeof correctionsSchema>;

/** Of policies that tell of none: they are of before there were other ones. */
export const usualCorrections: PolicyCorrections = {
  leastSeen: 3,
  chargeReach: 1,
  runsPerTry: 12,
  tryCost: 3,
  /** A wrong guess among free workers costs one task time; one for which others wait costs the grid, near full load for long. */
  waitRuns: 10,
  yieldShare: 4,
};

export const policyPartsSchema = z.object({
  weights: z
    .object({ fit: share, image: share, reliability: share, load: share, spread: share, speed: share })
    .refine(
      (weights) => Math.abs(scoreTerms.reduce((sum, term) => sum + weights[term], 0) - 1) <= sumError,
      'expected weights that sum to 1',
    ),
  /** Of the expected finish among all terms, where it is known. */
  finishWeight: share,
  /** A task waits for a better worker if it is expected to end there in less than this share of the time. */
  waitGain: share,
  /** Runs of a class that must have ended well before its expected finish counts; 0: until the first, what new classes take does. */
  leastRuns: z.number().int().min(0).max(50),
  corrections: correctionsSchema.default(usualCorrections),
});

export type PolicyParts = z.infer<typeof policyPartsSchema>;

/** `version` 0 is what this version of gryphgen comes with; the broker gives the others theirs. */
export interface PlacementPolicy extends PolicyParts {
  readonly version: number;
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const ms = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const pair = z.object({ before: ms, after: ms });

/** What a replay of the history said of a policy, on the part that it was not chosen by. */
export const policyEvidenceSchema = z.object({
  /** Tasks from which it was chosen, and those after them on which it was judged. */
  trained: count,
  judged: count,
  /** Wall ms: the latter were submitted since then, and had ended by then. */
  since: ms,
  until: ms,
  /** From submission to end, ms. */
  mean: pair,
  p99: pair,
  /** Share of the mean by which it is shorter, and what that is at least, but for chance. */
  gain: z.number().min(-1e6).max(1),
  leastGain: z.number().min(-1e6).max(1),
});
export type PolicyEvidence = z.infer<typeof policyEvidenceSchema>;

/** Times are wall-clock ms since 1970. */
export interface PolicyDocument {
  readonly inForce: PlacementPolicy;
  /** The version that a rollback would put in force; null: there is none. */
  readonly previous: number | null;
  /** Newest last. `by`: a principal, '' for the broker itself. */
  readonly changes: readonly {
    readonly kind: 'promoted' | 'rolledBack';
    readonly policy: PlacementPolicy;
    readonly at: number;
    readonly by: string;
    readonly reason: string;
    readonly evidence: PolicyEvidence | null;
  }[];
  /**
   * While the policy in force has yet to prove itself: how many times longer than before it tasks took, by what is usual of their
   * classes (a geometric mean), and at least, but for chance. `tasks`: before and since; 0: too few to say.
   */
  readonly watch: {
    readonly tasks: readonly [before: number, since: number];
    readonly ratio: number;
    readonly leastRatio: number;
  } | null;
}
