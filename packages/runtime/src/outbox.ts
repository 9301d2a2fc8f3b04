/**
 * What waits to be sent to one peer. Logical messages go in one by one; frames come out, each as full as the limits
 * allow, and stay until they are known to be sent.
 *
 * 1. Bounded in messages and bytes; what does not fit is refused, never dropped later.
 * 2. A frame carries one session's messages, in the order they went in.
 */
import { encodeFrame, frameOverheadBytes, limits, type Message, messageBytes } from '@gryphgen/protocol';

/** `full`: the peer does not read. `tooLarge`: no frame can carry it, ever. */
export type PushOutcome = 'queued' | 'full' | 'tooLarge';

interface Entry {
  readonly session: string;
  readonly message: Message;
  readonly bytes: number;
}

const frameRoom = limits.frameBytes - frameOverheadBytes;

/** Whether any frame can carry it. */
export function fitsFrame(message: Message): boolean {
  return messageBytes(message) <= frameRoom;
}

export class Outbox {
  private entries: Entry[] = [];
  /** Of the first entry not yet in a frame: shifting an array of thousands costs more than it holds. */
  private head = 0;
  private bytes = 0;
  private frame: Buffer | undefined;

  get isEmpty(): boolean {
    return this.frame === undefined && this.head === this.entries.length;
  }

  push(session: string, message: Message): PushOutcome {
    const bytes = messageBytes(message);
    if (bytes > frameRoom) return 'tooLarge';
    if (this.entries.length - this.head >= limits.peerQueueMessages) return 'full';
    if (this.bytes + bytes > limits.peerQueueBytes) return 'full';
    this.entries.push({ session, message, bytes });
    this.bytes += bytes;
    return 'queued';
  }

  /** The frame to send next; the same one until `sent`. */
  peek(): Buffer | undefined {
    this.frame ??= this.pack();
    return this.frame;
  }

  sent(): void {
    this.frame = undefined;
  }

  clear(): void {
    this.entries = [];
    this.head = 0;
    this.bytes = 0;
    this.frame = undefined;
  }

  private pack(): Buffer | undefined {
    const first = this.entries[this.head];
    if (!first) return undefined;
    const messages: Message[] = [];
    let room = frameRoom;
    for (; this.head < this.entries.length && messages.length < limits.frameMessages; this.head++) {
      const entry = this.entries[this.head];
      if (!entry || entry.session !== first.session || entry.bytes > room) break;
      messages.push(entry.message);
      room -= entry.bytes;
      this.bytes -= entry.bytes;
    }
    this.dropPacked();
    return encodeFrame(first.session, messages);
  }

  private dropPacked(): void {
    if (this.head === this.entries.length) {
      this.entries = [];
      this.head = 0;
    } else if (this.head > this.entries.length / 2) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}
