/**
 * What all requests under way hold of their bodies: who sends them is slow, and many of the longest are more than a gateway has.
 *
 * 1. No key takes all of it (admission.ts).
 */
import { aheadOfFree } from './gateway-bounds.ts';

export class HeldBodies {
  private readonly most: number;
  private readonly byKey = new Map<string, number>();
  private held = 0;

  constructor(most: number) {
    this.most = most;
  }

  /** Of a request by this key. */
  open(key: string): HeldBody {
    let bytes = 0;
    return {
      take: (more) => {
        const free = this.most - this.held;
        if (more > free || this.of(key) >= aheadOfFree * free) return false;
        bytes += more;
        this.add(key, more);
        return true;
      },
      release: () => {
        if (bytes > 0) this.add(key, -bytes);
        bytes = 0;
      },
    };
  }

  private of(key: string): number {
    return this.byKey.get(key) ?? 0;
  }

  private add(key: string, bytes: number): void {
    this.held += bytes;
    const now = this.of(key) + bytes;
    if (now > 0) this.byKey.set(key, now);
    else this.byKey.delete(key);
  }
}

export interface HeldBody {
  /** False: there is no room for so much more. */
  take(bytes: number): boolean;
  /** Idempotent. */
  release(): void;
}
