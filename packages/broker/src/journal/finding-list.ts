/**
 * What was found damaged or missing, at most so many of each kind: a database with a million bad blobs is told in some
 * lines and a number, and costs no more memory than that.
 */
import type { Finding, FindingKind } from './journal.ts';

/** More are of no use to a person; what was damaged lies aside as it was found. */
const MAX_OF_A_KIND = 100;

export class FindingList {
  readonly #kept: Finding[] = [];
  readonly #counts = new Map<FindingKind, number>();

  push(...findings: readonly Finding[]): void {
    for (const finding of findings) {
      const before = this.#counts.get(finding.kind) ?? 0;
      this.#counts.set(finding.kind, before + 1);
      if (before < MAX_OF_A_KIND) this.#kept.push(finding);
    }
  }

  /** In the order they were found; after them, for each kind of which there are more, how many more. */
  all(): readonly Finding[] {
    const more = [...this.#counts].filter(([, count]) => count > MAX_OF_A_KIND);
    return [
      ...this.#kept,
      ...more.map(([kind, count]) => {
        const what = `${count - MAX_OF_A_KIND} more findings of kind "${kind}" are not listed.`;
        return { kind, seq: null, what, expected: null, found: null };
      }),
    ];
  }
}
