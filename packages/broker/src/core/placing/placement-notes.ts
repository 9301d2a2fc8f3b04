/**
 * Why tasks were placed where they are, kept for whoever asks later. Writing it down looks at every worker once more and
 * keeps a line for each, so the looking, the keeping and the journaling have a budget each.
 *
 * 1. Tasks that come singly are explained in full; of a burst those beyond the budget keep the winner only.
 * 2. Memory is bounded: the oldest explanations are cut down to the winner.
 * 3. A restart keeps those that were journaled, each in its bounded form (journaled-note.ts).
 */
import { Budget } from '../budget.ts';
import type { WireNote } from '../record/decisions.ts';
import type { PlacementNote } from '../state.ts';
import { noteSize, writeNote } from './journaled-note.ts';

/** Looks at a worker that explaining may take: about a hundredth of a core at a microsecond each. */
const looksPerMs = 10;
/** What may be spent at once after a rest. */
const savedLooks = 4000;
/** Explaining takes as long as looking at so many workers, before it looks at one. */
const looksBefore = 4;
/** Lines kept, of some 250 B each. */
const keptLines = 100_000;
/** What a note takes beside its workers, in lines: on a small grid that is most of it. */
const noteLines = 4;
/** Characters that notes may add to the journal: 20 kB a second, where a burst of leases alone takes a hundred times that. */
const journaledPerMs = 20;
const savedJournaled = 64 * 1024;

export class PlacementNotes {
  private readonly looks = new Budget(looksPerMs, savedLooks);
  private readonly journaled = new Budget(journaledPerMs, savedJournaled);
  private notes: PlacementNote[] = [];
  /** Those before it have been cut. */
  private head = 0;
  private lines = 0;
  private winner:
    | { readonly name: string; readonly thousandths: number; readonly note: PlacementNote }
    | undefined;

  /** Whether a choice among so many workers is to be explained at this time (ms, never going back). */
  allows(workers: number, at: number): boolean {
    if (!this.looks.has(at)) return false;
    this.looks.spend(looksBefore + workers);
    return true;
  }

  /** Of one that is not explained: the same words for all of a burst that went alike. */
  ofWinner(name: string, total: number, policy: number): PlacementNote {
    const thousandths = Math.round(total * 1000);
    let { winner } = this;
    if (winner?.name !== name || winner.thousandths !== thousandths || winner.note.policy !== policy) {
      const decision = `placed on ${name} in a burst of tasks, total ${(thousandths / 1000).toFixed(3)}; how the others scored was not kept`;
      winner = { name, thousandths, note: { decision, workers: [], policy } };
      this.winner = winner;
    }
    return winner.note;
  }

  /** What of it goes into the journal; undefined when too much has lately. */
  forJournal(note: PlacementNote, at: number): WireNote | undefined {
    if (!this.journaled.has(at)) return undefined;
    const wire = writeNote(note);
    this.journaled.spend(noteSize(wire));
    return wire;
  }

  keep(note: PlacementNote): void {
    this.notes.push(note);
    this.lines += noteLines + note.workers.length;
    this.trim();
  }

  /** The note with all that is said of each worker, where `known` holds what was journaled of it. */
  widen(known: PlacementNote | null, { decision, workers, ...more }: PlacementNote): PlacementNote {
    const note = known ?? { decision, workers: [] };
    if (known === null) {
      this.notes.push(note);
      this.lines += noteLines;
    }
    this.lines += workers.length - note.workers.length;
    Object.assign(note, { decision, workers, ...more });
    this.trim();
    return note;
  }

  private trim(): void {
    while (this.lines > keptLines && this.head < this.notes.length - 1) this.cut();
    if (this.head > 1024 && this.head * 2 > this.notes.length) {
      this.notes = this.notes.slice(this.head);
      this.head = 0;
    }
  }

  private cut(): void {
    const oldest = this.notes[this.head] as PlacementNote;
    this.head += 1;
    this.lines -= noteLines + oldest.workers.length;
    oldest.workers = [];
    oldest.decision += '; how the other workers scored was not kept so long';
  }
}
