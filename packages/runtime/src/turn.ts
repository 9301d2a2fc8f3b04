/**
 * The end of a turn of the event loop, where what the turn produced leaves together. One setImmediate, no timer: when
 * nothing else is going on it comes at once.
 */

/** Frames taken in one turn: at 1024 messages each, tens of milliseconds at the worst. */
const receiveBurst = 32;

export class Turn {
  private readonly onEnd: () => void;
  private ending: Promise<void> | undefined;
  private received = 0;

  constructor(onEnd: () => void) {
    this.onEnd = onEnd;
  }

  /** Resolves after onEnd has been called. */
  end(): Promise<void> {
    this.ending ??= new Promise((resolve) => {
      setImmediate(() => {
        this.ending = undefined;
        this.received = 0;
        this.onEnd();
        resolve();
      });
    });
    return this.ending;
  }

  /** To be awaited after each frame taken, so that timers and other sockets get their turn under saturation. */
  async took(): Promise<void> {
    const ending = this.end();
    if (++this.received >= receiveBurst) await ending;
  }
}
