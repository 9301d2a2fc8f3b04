/**
 * Gathers what is to be recorded until it is written: what agrees in all but time and subject is one entry with a count.
 *
 * 1. However many refusals are provoked, an interval holds at most so many entries of them: the rest count as one entry
 *    for each failure, of nobody in particular. So a flood costs the disk no more than a few lines in an interval.
 */
import type { AuditEntry } from './audit-chain.ts';

export type AuditNote = Omit<AuditEntry, 'count' | 'at' | 'until'>;

/** Entries of an interval: as many principals and addresses as can be told apart. */
const mostRefused = 32;
const mostGranted = 512;
const mostChars = 200;

export class AuditCollector {
  private readonly granted = new Map<string, AuditEntry>();
  private readonly refused = new Map<string, AuditEntry>();

  /** `count` of them at once; `at`: wall clock. */
  note(note: AuditNote, at: number, count = 1): void {
    const entries = note.code === '' ? this.granted : this.refused;
    const most = note.code === '' ? mostGranted : mostRefused;
    const isRoom = entries.size < most || entries.has(keyOf(note));
    this.add(entries, isRoom ? note : { ...note, who: 'others', role: '', from: '', subject: '' }, at, count);
  }

  /** What was granted since it was last taken. */
  takeGranted(): AuditEntry[] {
    return taken(this.granted);
  }

  takeRefused(): AuditEntry[] {
    return taken(this.refused);
  }

  private add(entries: Map<string, AuditEntry>, note: AuditNote, at: number, count: number): void {
    const key = keyOf(note);
    const known = entries.get(key);
    if (known === undefined)
      entries.set(key, { ...note, subject: note.subject.slice(0, mostChars), count, at, until: at });
    else entries.set(key, { ...known, count: known.count + count, until: at });
  }
}

function keyOf({ who, role, from, what, code }: AuditNote): string {
  return JSON.stringify([who, role, from, what, code]);
}

function taken(entries: Map<string, AuditEntry>): AuditEntry[] {
  const all = [...entries.values()];
  entries.clear();
  return all;
}
