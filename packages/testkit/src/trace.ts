/**
 * What happened in a run: a digest of every line, always, and the lines themselves when asked for.
 *
 * 1. Two runs are the same run exactly when their digests are equal.
 */
export class Trace {
  private readonly keep: number;
  private readonly kept: string[] = [];
  private low = 0x811c9dc5 | 0;
  private high = 0x2f0b4a27 | 0;
  private readonly now: () => number;
  count = 0;

  /** Keeps the newest `keep` lines; Infinity keeps all. */
  constructor(keep: number, now: () => number) {
    this.keep = keep;
    this.now = now;
  }

  note(who: string, what: string): void {
    const at = this.now();
    this.count += 1;
    this.hash(who);
    this.hash(what);
    this.mix(Math.floor(at * 1000) | 0);
    if (this.keep > 0) this.write(who, what);
  }

  private write(who: string, what: string): void {
    this.kept.push(`${(this.now() / 1000).toFixed(4).padStart(10)}  ${who.padEnd(8)} ${what}`);
    if (this.kept.length > 2 * this.keep) this.kept.splice(0, this.kept.length - this.keep);
  }

  /** A line for readers only: no part of the digest, and not even made unless kept. */
  detail(who: string, what: () => string): void {
    if (this.keep > 0) this.write(who, what());
  }

  tail(): readonly string[] {
    return this.kept.slice(-this.keep);
  }

  digest(): string {
    const word = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return word(this.high) + word(this.low);
  }

  private hash(text: string): void {
    let { low, high } = this;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x85ebca6b);
    }
    this.low = low;
    this.high = (high ^ (high >>> 15) ^ low) | 0;
  }

  private mix(value: number): void {
    this.low = Math.imul(this.low ^ value, 0x01000193);
    this.high = Math.imul(this.high ^ value, 0xc2b2ae35) ^ (this.low >>> 7);
  }
}
