/**
 * What a process has handed to its sockets. In some runs each message leaves at once, in a frame of its own, so that
 * faults meet it alone; in the others all of a turn leave together, as from the real sockets.
 */
import { encodeFrame, type Message } from '@gryphgen/protocol';
import type { Packet } from './sim-network.ts';

/** The way of a packet: all but what it carries. */
export type Way = Pick<Packet, 'peer' | 'connection' | 'direction' | 'session'>;

export class Outgoing {
  private readonly coalesces: () => boolean;
  private readonly transmit: (packet: Packet) => void;
  private readonly note: (way: Way, message: Message) => void;
  private waiting: { readonly way: Way; readonly messages: Message[] }[] = [];

  /** `coalesces`: whether what is put now may wait for `flush`. */
  constructor(
    coalesces: () => boolean,
    transmit: (packet: Packet) => void,
    note: (way: Way, message: Message) => void,
  ) {
    this.coalesces = coalesces;
    this.note = note;
    this.transmit = transmit;
  }

  put(way: Way, message: Message): void {
    this.note(way, message);
    if (!this.coalesces()) {
      this.transmit(packet(way, [message]));
      return;
    }
    const last = this.waiting.findLast((batch) => batch.way.connection === way.connection);
    if (last?.way.session === way.session) last.messages.push(message);
    else this.waiting.push({ way, messages: [message] });
  }

  flush(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const { way, messages } of waiting) this.transmit(packet(way, messages));
  }

  drop(connection: string): void {
    this.waiting = this.waiting.filter(({ way }) => way.connection !== connection);
  }

  clear(): void {
    this.waiting = [];
  }
}

function packet(way: Way, messages: readonly Message[]): Packet {
  return { ...way, messages, frame: encodeFrame(way.session, messages) };
}
