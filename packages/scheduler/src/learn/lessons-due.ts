/**
 * Which lessons of those that nothing else writes down are worth it now: what ephemeral tasks teach is in no journal, and a line for
 * each of them would be as much as if they were.
 *
 * 1. A lesson is written once a minute at most, and only if a part of it has changed by a tenth, is new, or is known by twice as
 *    many observations.
 * 2. Bounded: those noted least recently are forgotten, and written again when they are noted next.
 */
import { RecentMap } from '../recency.ts';

/** Of what, by how many observations, and the logarithm of what they say. */
export type PartLevel = readonly [part: string, n: number, at: number];

interface Written {
  readonly parts: ReadonlyMap<string, PartLevel>;
  /** Watch ms; before an epoch's first: long ago. */
  readonly at: number;
}

const everyMs = 60_000;
const leastChange = Math.log(1.1);
const muchMore = 2;
const kept = 1024;
/** Looked at in one turn, and so the most that are written in it. */
const looksEach = 8;

export class LessonsDue {
  /** Noted since they were looked at last. */
  private readonly noted = new RecentMap<true>(kept);
  private readonly written = new RecentMap<Written>(kept);
  private readonly leastSeen: number;

  /** `leastSeen`: what was observed less often is not worth a line. */
  constructor(leastSeen: number) {
    this.leastSeen = leastSeen;
  }

  /** One is to be learned. `before`: what is known of it until then, which is written where none of it was noted before. */
  note(name: string, before: () => readonly PartLevel[]): void {
    if (this.written.use(name) === undefined)
      this.written.add(name, { parts: byPart(before()), at: Number.NEGATIVE_INFINITY });
    if (this.noted.use(name) === undefined) this.noted.add(name, true);
  }

  /** Those that are written now, by this watch time. */
  take(watch: number, partsOf: (name: string) => readonly PartLevel[]): readonly string[] {
    const due: string[] = [];
    let looks = 0;
    for (const [name] of [...this.noted]) {
      const before = this.written.get(name);
      if (before !== undefined && watch - before.at < everyMs) continue;
      if (looks >= looksEach) break;
      looks += 1;
      this.noted.delete(name);
      const parts = partsOf(name);
      if (!this.isWorthIt(parts, before)) continue;
      due.push(name);
      this.written.delete(name);
      this.written.add(name, { parts: byPart(parts), at: watch });
    }
    return due;
  }

  private isWorthIt(parts: readonly PartLevel[], before: Written | undefined): boolean {
    if (parts.reduce((sum, [, n]) => sum + n, 0) < this.leastSeen) return false;
    return parts.some(([part, n, at]) => {
      const [, seen = 0, then = at] = before?.parts.get(part) ?? [];
      return n >= muchMore * seen || Math.abs(at - then) >= leastChange;
    });
  }
}

function byPart(parts: readonly PartLevel[]): ReadonlyMap<string, PartLevel> {
  return new Map(parts.map((part) => [part[0], part]));
}
