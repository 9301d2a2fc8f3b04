/** What may be spent of something at a steady rate, and at once after a rest. The last that is allowed may overdraw it. */
export class Budget {
  private readonly perMs: number;
  private readonly most: number;
  private saved: number;
  private refilledAt = 0;

  constructor(perMs: number, most: number) {
    this.perMs = perMs;
    this.most = most;
    this.saved = most;
  }

  /** Whether anything, or `least`, is left at this time (ms, never going back). */
  has(at: number, least = 0): boolean {
    this.saved = Math.min(this.most, this.saved + (at - this.refilledAt) * this.perMs);
    this.refilledAt = at;
    return this.saved > 0 && this.saved >= least;
  }

  spend(amount: number): void {
    this.saved -= amount;
  }
}
