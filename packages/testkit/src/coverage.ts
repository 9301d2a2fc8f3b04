/**
 * What a run reached, counted by name: transitions, and kinds of message that met a kind of fault. Counts of many runs
 * add up to what the exploration as a whole reached.
 */
export class Coverage {
  private readonly counts = new Map<string, number>();

  reached(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  add(other: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(other)) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + count);
    }
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
