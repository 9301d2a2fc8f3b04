/**
 * The output of one attempt on its way from its process to its worker's log.
 *
 * 1. A byte is held until the worker says that it is in the log, however often workers come and go meanwhile.
 * 2. Bounded: `put` resolves when there is room again. Whoever reads the process waits for that, then its pipe fills,
 *    then the process waits: nothing is lost, nothing grows.
 */

const heldBytes = 128 * 1024;
/** A piece of one byte costs about as much. */
const pieceBytes = 128;

export class ProcessOutput {
  private pieces: Uint8Array[] = [];
  private first = 0;
  private end = 0;
  private next = 0;
  private follower: ((at: number, bytes: Uint8Array) => void) | null = null;
  private room: (() => void)[] = [];

  /** Position of the first byte that is held. */
  get from(): number {
    return this.first;
  }

  /** Position behind the last. */
  get to(): number {
    return this.end;
  }

  get isFull(): boolean {
    return this.end - this.first + this.pieces.length * pieceBytes >= heldBytes;
  }

  /** Resolves when there is room for more. */
  async put(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) this.pieces.push(bytes);
    this.end += bytes.length;
    this.send();
    while (this.isFull) await new Promise<void>((resolve) => this.room.push(resolve));
  }

  /** From now on all is sent as it comes, from this position on; what is before it goes. */
  follow(from: number, send: (at: number, bytes: Uint8Array) => void): void {
    this.follower = send;
    this.next = Math.max(from, this.first);
    this.take(from);
    this.send();
  }

  /** Whoever followed is gone. */
  leave(): void {
    this.follower = null;
  }

  /** What is before this position goes. */
  take(to: number): void {
    while (this.first < Math.min(to, this.end)) {
      const [piece] = this.pieces;
      if (piece === undefined) throw new Error(`no piece at ${this.first} of ${this.end}`);
      const taken = Math.min(piece.length, to - this.first);
      if (taken === piece.length) this.pieces.shift();
      else this.pieces[0] = piece.subarray(taken);
      this.first += taken;
    }
    this.next = Math.max(this.next, this.first);
    if (this.isFull) return;
    for (const wake of this.room.splice(0)) wake();
  }

  private send(): void {
    if (this.follower === null) return;
    let at = this.first;
    for (const piece of this.pieces) {
      const sent = Math.max(0, this.next - at);
      if (sent < piece.length) this.follower(at + sent, sent === 0 ? piece : piece.subarray(sent));
      at += piece.length;
    }
    this.next = this.end;
  }
}
