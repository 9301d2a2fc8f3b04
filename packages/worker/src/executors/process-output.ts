/**
 * The output of one attempt on its way from its process to its worker's log.
 *
 * 1. A byte is held until the worker says that it is in the log, however often workers come and go meanwhile.
 * 2. Bounded: `put` resolves when there is room again. Whoever reads the process waits for that, then its pipe fills,
 *    then the process waits: nothing is lost, nothing grows.
 * 3. The first piece after a rest goes at once; what comes within `gatherMs` behind it goes together, unless it is much.
 *    A piece that goes alone is a message, a write to the log and a word back, however short it is.
 */
import type { Alarms, Cancel } from '@gryphgen/runtime';

const heldBytes = 128 * 1024;
/** A piece of one byte costs about as much. */
const pieceBytes = 128;
/** Nobody sees that a log is so much later. */
const gatherMs = 20;
const gatheredBytes = 4096;

export class ProcessOutput {
  private pieces: Uint8Array[] = [];
  private first = 0;
  private end = 0;
  private next = 0;
  private follower: ((at: number, bytes: Uint8Array) => void) | null = null;
  private room: (() => void)[] = [];
  private readonly alarms: Alarms;
  /** There while what comes is gathered. */
  private cancelGathering: Cancel | undefined;

  constructor(alarms: Alarms) {
    this.alarms = alarms;
  }

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
    const isMuch = this.end - this.next >= gatheredBytes || this.isFull;
    if (this.cancelGathering === undefined || isMuch) this.send();
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
    this.stopGathering();
  }

  /** No more comes: what is gathered goes. */
  close(): void {
    this.send();
    this.stopGathering();
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
    this.stopGathering();
    if (this.follower === null || this.next === this.end) return;
    const unsent: Uint8Array[] = [];
    let at = this.first;
    for (const piece of this.pieces) {
      if (at + piece.length > this.next) unsent.push(piece.subarray(Math.max(0, this.next - at)));
      at += piece.length;
    }
    const from = this.next;
    this.next = this.end;
    this.follower(from, unsent.length === 1 && unsent[0] !== undefined ? unsent[0] : Buffer.concat(unsent));
    this.cancelGathering = this.alarms.after(gatherMs, () => this.send());
  }

  private stopGathering(): void {
    this.cancelGathering?.();
    this.cancelGathering = undefined;
  }
}
