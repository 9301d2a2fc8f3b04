/**
 * How much of the grid each principal has had of late: the part that its attempts hold, averaged over time so that what was
 * long ago counts less and less. Derived from decisions by their wall times, so replay makes the same.
 *
 * 1. Parts are whole millionths: what is taken away is exactly what was added.
 */
import { limits, type PrincipalId } from '@gryphgen/protocol';

/** After this long, what somebody has had counts half. */
export const useHalfLifeMs = 4 * 3600_000;
const decayMs = useHalfLifeMs / Math.LN2;
/** What is held now counts as if it had been held for 10 minutes already: those who begin together take turns. */
export const heldAhead = (10 * 60_000) / decayMs;

export interface Use {
  /** Millionths of the grid, on the average until `at` (wall ms). */
  average: number;
  /** Millionths of the grid that are held since then. */
  held: number;
  at: number;
}

/** A clock that was set back adds nothing. */
function averageAt({ average, held, at }: Use, wall: number): number {
  return held + (average - held) * Math.exp(-Math.max(0, wall - at) / decayMs);
}

export class PrincipalUse {
  private readonly uses = new Map<PrincipalId, Use>();

  /** `millionths` of the grid are held from now on, or, where negative, no more. */
  hold(principal: PrincipalId, millionths: number, wall: number): void {
    const use = this.uses.get(principal) ?? this.begin(principal, wall);
    use.average = averageAt(use, wall);
    use.held += millionths;
    use.at = wall;
  }

  /** The average until now, in millionths of the grid. */
  average(principal: PrincipalId, wall: number): number {
    const use = this.uses.get(principal);
    return use === undefined ? 0 : averageAt(use, wall);
  }

  /** The average with what is held now counted ahead: who has the least has the next turn. */
  standing(principal: PrincipalId, wall: number): number {
    const use = this.uses.get(principal);
    return use === undefined ? 0 : averageAt(use, wall) + use.held * heldAhead;
  }

  /** What no lease says; `held` is made by the leases. */
  save(): [principal: PrincipalId, average: number, at: number][] {
    return [...this.uses].map(([principal, { average, at }]) => [principal, average, at]);
  }

  /** Puts what was saved in the place of what replaying the leases has made, but for what they hold. */
  load(saved: readonly (readonly [principal: PrincipalId, average: number, at: number])[]): void {
    const held = new Map([...this.uses].map(([principal, use]) => [principal, use.held]));
    this.uses.clear();
    for (const [principal, average, at] of saved)
      this.uses.set(principal, { average, held: held.get(principal) ?? 0, at });
  }

  private begin(principal: PrincipalId, wall: number): Use {
    if (this.uses.size >= limits.principalUses) this.forgetLeast(wall);
    const use = { average: 0, held: 0, at: wall };
    this.uses.set(principal, use);
    return use;
  }

  /** Of those who hold nothing. */
  private forgetLeast(wall: number): void {
    let least: PrincipalId | undefined;
    let leastAverage = Number.POSITIVE_INFINITY;
    for (const [principal, use] of this.uses) {
      const average = averageAt(use, wall);
      if (use.held > 0 || average >= leastAverage) continue;
      [least, leastAverage] = [principal, average];
    }
    if (least !== undefined) this.uses.delete(least);
  }
}
