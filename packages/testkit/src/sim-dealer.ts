/** A peer's connection in the simulation: what runtime/dealer does with a socket is done here with packets. */
import type { Message } from '@gryphgen/protocol';
import type { BrokerConnection, DealerEvents } from '@gryphgen/runtime';
import type { SimNode } from './sim-node.ts';

export class SimDealer implements BrokerConnection {
  /** A name never used before; another when the connection broke and was made anew below us. */
  connection: string;
  private readonly node: SimNode;
  private readonly events: DealerEvents;
  private closed = false;

  constructor(node: SimNode, connection: string, events: DealerEvents) {
    this.node = node;
    this.connection = connection;
    this.events = events;
  }

  send(session: string, message: Message): 'queued' | 'full' {
    if (this.closed) return 'full';
    const { node, connection } = this;
    node.outgoing.put({ peer: node.name, connection, direction: 'toBroker', session }, message);
    return 'queued';
  }

  drop(): void {
    this.node.outgoing.drop(this.connection);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  receive(connection: string, frame: Buffer): void {
    if (connection === this.connection && !this.closed) this.events.onFrame(frame);
  }
}
