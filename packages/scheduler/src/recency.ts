/** A map that keeps what was used of late: its order is that of the last use, newest last. */
export class RecentMap<T> {
  private readonly entries = new Map<string, T>();
  private readonly most: number;
  /** Used last: it need not be moved behind itself, which costs a small map more than all else. */
  private newest: string | undefined;

  /** `most`: entries kept; those used least recently make room. */
  constructor(most: number) {
    this.most = most;
  }

  get size(): number {
    return this.entries.size;
  }

  /** A look, and no use. */
  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  use(key: string): T | undefined {
    const value = this.entries.get(key);
    if (value === undefined || key === this.newest) return value;
    this.entries.delete(key);
    this.append(key, value);
    return value;
  }

  /** It is not there yet. */
  add(key: string, value: T): void {
    this.shrink(this.most - 1);
    this.append(key, value);
  }

  /** Until so many are left. */
  shrink(left: number): void {
    while (this.entries.size > left) this.entries.delete(this.entries.keys().next().value as string);
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  /** Used least recently. */
  get oldest(): T | undefined {
    return this.entries.values().next().value;
  }

  clear(): void {
    this.entries.clear();
  }

  values(): IterableIterator<T> {
    return this.entries.values();
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.entries[Symbol.iterator]();
  }

  private append(key: string, value: T): void {
    this.entries.set(key, value);
    this.newest = key;
  }
}
