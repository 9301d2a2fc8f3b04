/**
 * Why tasks were placed where they are, kept for whoever asks later. Writing it down looks at every worker once more and
 * keeps a line for each, so both the looking and the keeping have a budget.
 *
 * 1. Tasks that come singly are explained in full; of a burst those beyond the budget keep the winner only.
 * 2. Memory is bounded: the oldest explanations are cut down to the winner.
 */
import type { PlacementNote } from './state.ts';

/** Looks at a worker that explaining may take: about a hundredth of a core at a microsecond each. */
const looksPerMs = 10;
/** What may be spent at once after a rest. */
const savedLooks = 4000;
/** Lines kept, of some 250 B each. */
const keptLines = 100_000;

export class PlacementNotes {
  private saved = savedLooks;
  private refilledAt = 0;
  private notes: PlacementNote[] = [];
  /** Those before it have been cut. */
  private head = 0;
  private lines = 0;

  /** Whether a choice among so many workers is to be explained at this time (ms, never going back). */
  allows(workers: number, at: number): boolean {
    this.saved = Math.min(savedLooks, this.saved + (at - this.refilledAt) * looksPerMs);
    this.refilledAt = at;
    if (this.saved <= 0) return false;
    this.saved -= workers;
    return true;
  }

  keep(note: PlacementNote): void {
    this.notes.push(note);
    this.lines += note.workers.length;
    while (this.lines > keptLines && this.head < this.notes.length - 1) this.cut();
    if (this.head > 1024 && this.head * 2 > this.notes.length) {
      this.notes = this.notes.slice(this.head);
      this.head = 0;
    }
  }

  private cut(): void {
    const oldest = this.notes[this.head] as PlacementNote;
    this.head += 1;
    this.lines -= oldest.workers.length;
    oldest.workers = [];
    oldest.decision += '; how the other workers scored was not kept so long';
  }
}
