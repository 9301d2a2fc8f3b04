/**
 * Which workers have an artifact in their own stores, as far as can be told: those whose tasks have left it, and those
 * that began a task which is given it. A hint and no promise: a worker makes room as it must.
 *
 * 1. Of the artifacts named last, so many; of the workers that have one, the few that were named last: who has just got
 *    it serves the next, so that a machine which many ask is not asked by all of them.
 */
import { type Envelope, limits, readOutcome, type WorkerId } from '@gryphgen/protocol';

export class ArtifactHolders {
  /** Newest last, of each the newest first. */
  private readonly byDigest = new Map<string, readonly WorkerId[]>();

  private note(digest: string, worker: WorkerId): void {
    const others = this.of(digest).filter((other) => other !== worker);
    this.byDigest.delete(digest);
    this.byDigest.set(digest, [worker, ...others].slice(0, limits.artifactHolders));
    const [oldest] = this.byDigest.size > limits.artifactsKnown ? this.byDigest.keys() : [];
    if (oldest !== undefined) this.byDigest.delete(oldest);
  }

  /** What a task has left is on its worker, whether it was copied from there or not. */
  noteLeft({ needs }: Envelope, outcome: Uint8Array, worker: WorkerId): void {
    // Most tasks leave nothing: their outcomes need not be read.
    if (outcome.length === 0 || !needs?.fields.includes('outputs')) return;
    for (const { digest } of readOutcome(outcome)?.outputs ?? []) this.note(digest, worker);
  }

  /** What a task that has begun is given is on its worker. */
  noteGiven({ inputs = [] }: Envelope, worker: WorkerId): void {
    for (const { digest } of inputs) this.note(digest, worker);
  }

  of(digest: string): readonly WorkerId[] {
    return this.byDigest.get(digest) ?? [];
  }
}
