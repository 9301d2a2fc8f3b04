/** What all requests under way hold of their bodies: who sends them is slow, and many of the longest are more than a gateway has. */
export class HeldBodies {
  private readonly most: number;
  private held = 0;

  constructor(most: number) {
    this.most = most;
  }

  open(): HeldBody {
    let bytes = 0;
    return {
      take: (more) => {
        if (this.held + more > this.most) return false;
        bytes += more;
        this.held += more;
        return true;
      },
      release: () => {
        this.held -= bytes;
        bytes = 0;
      },
    };
  }
}

export interface HeldBody {
  /** False: there is no room for so much more. */
  take(bytes: number): boolean;
  /** Idempotent. */
  release(): void;
}
