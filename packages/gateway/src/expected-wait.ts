/**
 * When somebody who is refused for want of a place may have one: by how long requests took of late, and how many are under way.
 *
 * 1. Each who is refused is told the place behind the last that was told of, so that they do not all come back for one.
 */

/** Of which the mean is kept, the last counting most. */
const remembered = 8;
/** Where nothing has ended yet. */
const guessMs = 1000;
/** More is a guess; and who comes too soon is told again. */
const mostMs = 60_000;

export class ExpectedWait {
  private meanMs: number | undefined;
  /** Until when places are spoken for. */
  private spokenForMono = 0;

  /** One was answered, as a whole. */
  took(ms: number): void {
    this.meanMs = this.meanMs === undefined ? ms : this.meanMs + (ms - this.meanMs) / remembered;
  }

  /** Whole seconds, one at least; `open`: how many are under way. */
  tellS(open: number, nowMono: number): number {
    // So many ends are under way: the next comes in their part of the time that one takes.
    const gapMs = (this.meanMs ?? guessMs) / Math.max(1, open);
    this.spokenForMono = Math.min(Math.max(nowMono, this.spokenForMono) + gapMs, nowMono + mostMs);
    return Math.max(1, Math.ceil((this.spokenForMono - nowMono) / 1000));
  }
}
