/**
 * The end of a turn of the event loop, where what the turn produced leaves together. One setImmediate, no timer: when
 * nothing else is going on it comes at once.
 */

/**
 * What is taken in one turn. Many small frames of many peers are taken together, so that what they cause leaves
 * together too; large ones end the turn early: 256 KiB are some 5000 messages, 20 ms at the worst.
 */
const burst = { frames: 256, bytes: 256 * 1024 };

export class Turn {
  private readonly onEnd: () => void;
  private ending: Promise<void> | undefined;
  private frames = 0;
  private bytes = 0;

  constructor(onEnd: () => void) {
    this.onEnd = onEnd;
  }

  /** Resolves after onEnd has been called. */
  end(): Promise<void> {
    this.ending ??= new Promise((resolve) => {
      setImmediate(() => {
        this.ending = undefined;
        this.frames = 0;
        this.bytes = 0;
        this.onEnd();
        resolve();
      });
    });
    return this.ending;
  }

  /** To be awaited after each frame taken, so that timers and other sockets get their turn under saturation. */
  async took(bytes: number): Promise<void> {
    const ending = this.end();
    this.frames += 1;
    this.bytes += bytes;
    if (this.frames >= burst.frames || this.bytes >= burst.bytes) await ending;
  }
}
