/**
 * How much of the grid each principal has had of late: the part that its attempts hold, averaged over time so that what was
 * long ago counts less and less. Derived from decisions by their wall times, so replay makes the same. The same is kept, with a shorter
 * memory, of those for whom one principal asks (`party`).
 *
 * 1. Parts are whole millionths: what is taken away is exactly what was added.
 */
import { limits, type PrincipalId } from '@gryphgen/protocol';

/** After this long, what somebody has had counts half. */
export const useHalfLifeMs = 4 * 3600_000;
const decayMs = useHalfLifeMs / Math.LN2;
/** What is held now counts as if it had been held for 10 minutes already: those who begin together take turns. */
export const heldAhead = (10 * 60_000) / decayMs;

interface Memory {
  readonly decayMs: number;
  readonly ahead: number;
  readonly most: number;
}

const ofPrincipals: Memory = { decayMs, ahead: heldAhead, most: limits.principalUses };
/** They take turns by the last ten seconds or so: who had everything until now is back in turn after some seconds, not hours. */
export const ofParties: Memory = { decayMs: 15_000, ahead: 1 / 4, most: 1000 };

export interface Use {
  /** Millionths of the grid, on the average until `at` (wall ms). */
  average: number;
  /** Millionths of the grid that are held since then. */
  held: number;
  at: number;
}

/** A clock that was set back adds nothing. */
function averageAt({ average, held, at }: Use, wall: number, memoryMs: number): number {
  return held + (average - held) * Math.exp(-Math.max(0, wall - at) / memoryMs);
}

export class PrincipalUse<Name extends string = PrincipalId> {
  private readonly memory: Memory;
  private readonly uses = new Map<Name, Use>();

  constructor(memory = ofPrincipals) {
    this.memory = memory;
  }

  /** `millionths` of the grid are held from now on, or, where negative, no more. */
  hold(principal: Name, millionths: number, wall: number): void {
    const use = this.uses.get(principal) ?? this.begin(principal, wall);
    use.average = averageAt(use, wall, this.memory.decayMs);
    use.held += millionths;
    use.at = wall;
  }

  /** The average until now, in millionths of the grid. */
  average(principal: Name, wall: number): number {
    const use = this.uses.get(principal);
    return use === undefined ? 0 : averageAt(use, wall, this.memory.decayMs);
  }

  /** The average with what is held now counted ahead: who has the least has the next turn. */
  standing(principal: Name, wall: number): number {
    const use = this.uses.get(principal);
    return use === undefined ? 0 : averageAt(use, wall, this.memory.decayMs) + use.held * this.memory.ahead;
  }

  /** What no lease says; `held` is made by the leases. */
  save(): [principal: Name, average: number, at: number][] {
    return [...this.uses].map(([principal, { average, at }]) => [principal, average, at]);
  }

  /** Puts what was saved in the place of what replaying the leases has made, but for what they hold. */
  load(saved: readonly (readonly [principal: Name, average: number, at: number])[]): void {
    const held = new Map([...this.uses].map(([principal, use]) => [principal, use.held]));
    this.uses.clear();
    for (const [principal, average, at] of saved)
      this.uses.set(principal, { average, held: held.get(principal) ?? 0, at });
  }

  private begin(principal: Name, wall: number): Use {
    if (this.uses.size >= this.memory.most) this.forgetLeast(wall);
    const use = { average: 0, held: 0, at: wall };
    this.uses.set(principal, use);
    return use;
  }

  /** Of those who hold nothing. */
  private forgetLeast(wall: number): void {
    let least: Name | undefined;
    let leastAverage = Number.POSITIVE_INFINITY;
    for (const [principal, use] of this.uses) {
      const average = averageAt(use, wall, this.memory.decayMs);
      if (use.held > 0 || average >= leastAverage) continue;
      [least, leastAverage] = [principal, average];
    }
    if (least !== undefined) this.uses.delete(least);
  }
}
