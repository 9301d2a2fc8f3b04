/**
 * The workers of a grid, and how often each has changed: whoever keeps what it found out of one sees by a number whether it
 * still holds, without a look at the worker. Of ten thousand those that have not changed cost nothing.
 *
 * 1. Nobody has to tell it of a change: `changeView`, `reserve` and `release`, by which alone workers change, do.
 * 2. A worker keeps its column for as long as it is here. That it goes, and that another gets the column later, count as changes.
 * 3. A worker is in one roster at most: copies of it (`copyOf`) are in none.
 */
import type { WorkerView } from './worker-view.ts';

const leastColumns = 16;

export class Roster {
  /** In the order in which they came. */
  readonly views: readonly WorkerView[];
  /** Of all of them together. */
  changed = 0;
  /** By column. */
  changes = new Uint32Array(leastColumns);
  readonly inColumn: (WorkerView | undefined)[] = [];
  /** Columns of those that are here, by the lots of their workers (sample.ts), and these lots. */
  order = new Uint32Array(leastColumns);
  lots = new Float64Array(leastColumns);
  private readonly listed: WorkerView[] = [];
  private readonly vacant: number[] = [];

  constructor(views: readonly WorkerView[] = []) {
    this.views = this.listed;
    for (const view of views) this.add(view);
  }

  /** Columns that there are, with room to grow. */
  get width(): number {
    return this.changes.length;
  }

  add(view: WorkerView): void {
    const { ledger, lot } = view;
    if (ledger.onChange !== null) throw new Error(`worker ${view.id} is in a roster already`);
    const size = this.listed.length;
    const column = this.vacant.pop() ?? size;
    if (column === this.width) this.grow();
    const at = this.firstFrom(lot);
    this.order.copyWithin(at + 1, at, size);
    this.lots.copyWithin(at + 1, at, size);
    this.order[at] = column;
    this.lots[at] = lot;
    this.inColumn[column] = view;
    this.listed.push(view);
    ledger.onChange = () => this.note(column);
    this.note(column);
  }

  remove(view: WorkerView): void {
    const column = this.inColumn.indexOf(view);
    if (column < 0) throw new Error(`worker ${view.id} is not in this roster`);
    const size = this.listed.length;
    const at = this.order.subarray(0, size).indexOf(column);
    this.order.copyWithin(at, at + 1, size);
    this.lots.copyWithin(at, at + 1, size);
    this.inColumn[column] = undefined;
    this.vacant.push(column);
    this.listed.splice(this.listed.indexOf(view), 1);
    view.ledger.onChange = null;
    this.note(column);
  }

  private note(column: number): void {
    this.changed += 1;
    this.changes[column] = (this.changes[column] as number) + 1;
  }

  /** The first place in the order whose lot is not below this one. */
  private firstFrom(lot: number): number {
    let [low, high] = [0, this.listed.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.lots[middle] as number) < lot) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private grow(): void {
    const width = 2 * this.width;
    this.changes = grown(this.changes, new Uint32Array(width));
    this.order = grown(this.order, new Uint32Array(width));
    this.lots = grown(this.lots, new Float64Array(width));
  }
}

function grown<T extends Float64Array | Uint32Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
