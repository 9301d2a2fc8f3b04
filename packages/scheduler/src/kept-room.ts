/**
 * `roomOf` a roster, remembering: the broker asks at each turn, and of ten thousand workers few have changed since the last.
 *
 * 1. Answers exactly what `roomOf` answers: what is kept of a worker is what would be found of it now (roster.ts).
 * 2. Workers that have not changed are not touched; while none has, nothing is. All are compared again only where one that had the most
 *    of something has less.
 */
import { type Room, roomOn } from './room.ts';
import type { Roster } from './roster.ts';

/** Kept of each worker, in this order: CPU, memory, disk, memory of a device, devices. */
const amounts = 5;
/** Of a worker that takes nothing now. */
const nothing = Number.NEGATIVE_INFINITY;

export class KeptRoom {
  private readonly roster: Roster;
  /** By column, as many as there are amounts. */
  private found = new Float64Array(0);
  private asOf = new Uint32Array(0);
  /** Of all columns. */
  private readonly most = new Float64Array(amounts).fill(nothing);
  /** The roster's changes when `room` was found. */
  private changed = -1;
  private room: Room | undefined;

  constructor(roster: Roster) {
    this.roster = roster;
  }

  /** Undefined: no worker takes anything now. */
  now(): Room | undefined {
    const { changed, width, changes, inColumn } = this.roster;
    if (changed === this.changed) return this.room;
    if (width !== this.asOf.length) {
      this.found = new Float64Array(width * amounts).fill(nothing);
      this.asOf = new Uint32Array(width);
      this.most.fill(nothing);
    }
    let isLess = false;
    for (let column = 0; column < inColumn.length; column += 1)
      if (this.asOf[column] !== changes[column] && this.look(column)) isLess = true;
    if (isLess) this.compare();
    const [cpuMilli = 0, memoryBytes = 0, diskBytes = 0, vramBytes = 0, wholeDevices = 0] = this.most.map(
      (amount) => Math.max(0, amount),
    );
    this.room =
      this.most[0] === nothing ? undefined : { cpuMilli, memoryBytes, diskBytes, vramBytes, wholeDevices };
    this.changed = changed;
    return this.room;
  }

  /** True: what was the most of something may be that no more. */
  private look(column: number): boolean {
    const { inColumn, changes } = this.roster;
    const { found, most, asOf } = this;
    const worker = inColumn[column];
    const room = worker && roomOn(worker);
    asOf[column] = changes[column] as number;
    let isLess = false;
    for (let nth = 0; nth < amounts; nth += 1) {
      const at = column * amounts + nth;
      const [before, amount] = [found[at] as number, room === undefined ? nothing : amountIn(room, nth)];
      found[at] = amount;
      if (amount > (most[nth] as number)) most[nth] = amount;
      else if (before === most[nth] && amount < before) isLess = true;
    }
    return isLess;
  }

  private compare(): void {
    const { found, most } = this;
    most.fill(nothing);
    for (let at = 0, nth = 0; at < found.length; at += 1, nth = nth === amounts - 1 ? 0 : nth + 1)
      if ((found[at] as number) > (most[nth] as number)) most[nth] = found[at] as number;
  }
}

function amountIn(room: Room, nth: number): number {
  switch (nth) {
    case 0:
      return room.cpuMilli;
    case 1:
      return room.memoryBytes;
    case 2:
      return room.diskBytes;
    case 3:
      return room.vramBytes;
    default:
      return room.wholeDevices;
  }
}
