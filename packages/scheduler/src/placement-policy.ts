/**
 * The placement policy that gryphgen comes with. Another may be in force: it is an argument wherever something is decided by it.
 *
 * 1. A policy changes where tasks go and how long they may wait for it, never whether they can.
 */
import { type PlacementPolicy, type PolicyParts, scoreTerms, usualCorrections } from '@gryphgen/protocol';

/** Keep the reasons true. */
export const defaultPolicy: PlacementPolicy = {
  version: 0,
  weights: {
    /** The heaviest: a badly cut-up grid refuses work that a well-packed one takes, and no later decision mends it. */
    fit: 0.44,
    /** Pulling an image takes minutes where starting a container takes one second. */
    image: 0.18,
    /** A lost attempt costs its whole run once more, but a machine that was lost once must get work again. */
    reliability: 0.18,
    /**
     * CPU reserved is not CPU burnt: a hint at contention, enough to choose between machines alike. A tenth of fit: at a third
     * it spread tasks of one GPU until those of eight found no whole machine (docs/traces.md).
     */
    load: 0.04,
    /** Fewer attempts in one place: less is lost with a machine. */
    spread: 0.08,
    /** One thread's speed tells little of a GPU task or a download. */
    speed: 0.08,
  },
  /** The other terms decide among those that end it about as soon. */
  finishWeight: 0.8,
  /** What is foretold is not certain, and a worker that idles is: a wait must be better by so much. */
  waitGain: 0.8,
  /** What new classes take is a better guess than none, and the first run a better one. */
  leastRuns: 0,
  corrections: usualCorrections,
};

/** As any version wrote it: a term that it did not know weighs nothing, any other part is as this program has it. */
export function completePolicy<P extends PolicyParts>(written: P): P {
  const terms = scoreTerms.map((term) => [term, written.weights[term] ?? 0] as const);
  const weights = Object.fromEntries(terms) as PolicyParts['weights'];
  const corrections = { ...usualCorrections, ...written.corrections };
  const { version: _, ...parts } = defaultPolicy;
  return { ...parts, ...written, weights, corrections };
}

/** What decides, for those who hold on to it while it changes. */
export interface PolicyInForce {
  readonly inForce: PlacementPolicy;
}

export const defaultInForce: PolicyInForce = { inForce: defaultPolicy };
