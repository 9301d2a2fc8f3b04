/** A binary heap: the item that comes before all others is on top. */
export class BinaryHeap<T> {
  private readonly before: (a: T, b: T) => boolean;
  private items: T[];

  /** Takes the array over. */
  constructor(before: (a: T, b: T) => boolean, items: T[] = []) {
    this.before = before;
    this.items = items;
    this.arrange();
  }

  get size(): number {
    return this.items.length;
  }

  get top(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items, before } = this;
    let index = items.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(items[parent] as T, item)) break;
      items[index] = items[parent] as T;
      index = parent;
    }
    items[index] = item;
  }

  pop(): T | undefined {
    const top = this.items[0];
    const last = this.items.pop();
    if (this.items.length > 0) this.sink(last as T, 0);
    return top;
  }

  /** One pass, whatever goes. */
  keep(holds: (item: T) => boolean): void {
    this.items = this.items.filter(holds);
    this.arrange();
  }

  private arrange(): void {
    for (let index = (this.items.length >> 1) - 1; index >= 0; index -= 1)
      this.sink(this.items[index] as T, index);
  }

  private sink(item: T, from: number): void {
    const { items, before } = this;
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      const right = items[child + 1];
      if (right !== undefined && before(right, items[child] as T)) child += 1;
      if (!before(items[child] as T, item)) break;
      items[index] = items[child] as T;
      index = child;
    }
    items[index] = item;
  }
}
