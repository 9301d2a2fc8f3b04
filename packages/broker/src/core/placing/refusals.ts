/**
 * Why submissions were refused as impossible, kept for whoever asks later: they made no task that could be explained.
 * Observations: a restart forgets them, and gives none of their ids again.
 */
import type { Envelope, Epoch, ExplainDocument, Failure, PrincipalId, RefusalId } from '@gryphgen/protocol';
import { failure, limits, refusalId } from '@gryphgen/protocol';
import { explain, type WorkerView } from '@gryphgen/scheduler';
import { Budget } from '../budget.ts';

/** Looks at a worker that explaining may take: about a hundredth of a core at a microsecond each. */
const looksPerMs = 10;
/** What may be spent at once after a rest. */
const savedLooks = 4000;
/** Workers' reasons kept, of some 300 B each; the newest refusal is kept with all of its own. */
const keptLines = 25_000;
/** Room for the words that follow the reason. */
const pointerChars = 100;

export class Refusals {
  private readonly looks = new Budget(looksPerMs, savedLooks);
  /** Oldest first. */
  private readonly kept = new Map<RefusalId, ExplainDocument & { readonly principal: PrincipalId }>();
  private lines = 0;
  private next = 1;

  /** The refusal as it is told: with how to ask for more, unless too many came at once (`at`: ms, never going back). */
  keep(
    why: Failure,
    principal: PrincipalId,
    envelope: Envelope,
    workers: readonly WorkerView[],
    epoch: Epoch,
    at: number,
  ): Failure {
    if (!this.looks.has(at)) return why;
    this.looks.spend(workers.length);
    const id = refusalId(epoch, this.next);
    this.next += 1;
    const decision = `refused: ${why.message}`;
    const reasons = explain(envelope, workers).workers;
    this.kept.set(id, { principal, id, state: 'refused', when: 'refused', decision, workers: reasons });
    this.lines += reasons.length;
    for (const [oldest, { workers }] of this.kept) {
      if (oldest === id) break;
      if (this.kept.size <= limits.explainedRefusals && this.lines <= keptLines) break;
      this.kept.delete(oldest);
      this.lines -= workers.length;
    }
    const reason = why.message.slice(0, limits.messageChars - pointerChars);
    return failure(why.code, `${reason} ("grid explain ${id}" says it of each worker)`);
  }

  /** `onlyOf`: whose submission it must have been; null: anybody's. */
  document(id: RefusalId, onlyOf: PrincipalId | null): ExplainDocument | undefined {
    const kept = this.kept.get(id);
    if (kept === undefined || (onlyOf !== null && kept.principal !== onlyOf)) return undefined;
    const { principal: _, ...document } = kept;
    return document;
  }
}
