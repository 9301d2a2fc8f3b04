/**
 * The placement policy in force, those it can go back to, and how it came to be. Changed by decisions alone, so that a
 * restart and a replay decide by the same policy; what was decided by another stays as it was.
 *
 * 1. Versions only rise: one that was rolled back is never given again.
 * 2. Version 0 is what this program comes with, whichever program decided to go back to it.
 * 3. Bounded: `keptEarlier` policies to go back to, `keptChanges` changes to tell of.
 */
import type { PlacementPolicy, PolicyEvidence, PrincipalId } from '@gryphgen/protocol';
import {
  completePolicy,
  defaultPolicy,
  type PolicyInForce,
  type SavedWatch,
  SlowdownWatch,
} from '@gryphgen/scheduler';

export interface PolicyChange {
  readonly kind: 'promoted' | 'rolledBack';
  /** In force from then on. */
  readonly policy: PlacementPolicy;
  /** Wall ms. */
  readonly at: number;
  /** '': the broker itself. */
  readonly by: PrincipalId | '';
  readonly reason: string;
  /** Of a promotion. */
  readonly evidence: PolicyEvidence | null;
}

const keptEarlier = 16;
const keptChanges = 32;

export interface SavedPolicies {
  readonly inForce: PlacementPolicy;
  /** Newest last. */
  readonly earlier: readonly PlacementPolicy[];
  /** Newest last. */
  readonly changes: readonly PolicyChange[];
  readonly newest: number;
  readonly watch: SavedWatch;
}

export class PolicyBook implements PolicyInForce {
  inForce: PlacementPolicy = defaultPolicy;
  /** The highest version so far. */
  newest = 0;
  /** What became of tasks since the last promotion, beside what was before it. */
  readonly watch = new SlowdownWatch();
  private earlier: PlacementPolicy[] = [];
  private kept: PolicyChange[] = [];

  /** Newest last. */
  get changes(): readonly PolicyChange[] {
    return this.kept;
  }

  /** What a rollback would put in force; undefined where there is nothing to go back to. */
  get previous(): PlacementPolicy | undefined {
    return this.earlier.at(-1);
  }

  apply(change: PolicyChange): void {
    const policy = readPolicy(change.policy);
    if (change.kind === 'promoted') {
      this.earlier = [...this.earlier, this.inForce].slice(-keptEarlier);
      this.watch.promoted();
    } else {
      this.earlier = this.earlier.filter(({ version }) => version < policy.version);
      this.watch.rolledBack();
    }
    this.inForce = policy;
    this.newest = Math.max(this.newest, policy.version);
    this.kept = [...this.kept, { ...change, policy }].slice(-keptChanges);
  }

  /** A durable task ended well that was submitted then (wall ms); `slowdown`: submission to end, over what a run usually takes. */
  ended(submittedAt: number, slowdown: number): void {
    const since = this.watch.isWatching ? (this.kept.at(-1)?.at ?? 0) : 0;
    if (submittedAt >= since) this.watch.note(slowdown);
  }

  /** Among those that are known; undefined of one that is forgotten. */
  find(version: number): PlacementPolicy | undefined {
    if (version === this.inForce.version) return this.inForce;
    if (version === defaultPolicy.version) return defaultPolicy;
    const known = [...this.earlier, ...this.kept.map(({ policy }) => policy)];
    return known.find((policy) => policy.version === version);
  }

  save(): SavedPolicies {
    const { inForce, earlier, kept, newest } = this;
    return { inForce, earlier, changes: kept, newest, watch: this.watch.save() };
  }

  load({ inForce, earlier, changes, newest, watch }: SavedPolicies): void {
    this.inForce = readPolicy(inForce);
    this.earlier = earlier.map(readPolicy);
    this.kept = changes.map((change) => ({ ...change, policy: readPolicy(change.policy) }));
    this.newest = newest;
    this.watch.load(watch);
  }
}

function readPolicy(written: PlacementPolicy): PlacementPolicy {
  return written.version === defaultPolicy.version ? defaultPolicy : completePolicy(written);
}
