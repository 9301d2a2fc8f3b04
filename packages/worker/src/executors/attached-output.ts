/**
 * What a container says, through a connection that was there before it started: some milliseconds earlier than from the
 * engine's log. The engine holds a container up when such a connection is not read: so it is for the beginning of an
 * output only (output-copy.ts).
 */
import { chunks, type LabelledBytes } from './docker-engine.ts';

type Piece = readonly LabelledBytes[];

export type Connection = NodeJS.ReadWriteStream & { destroy(): void };

export class AttachedOutput {
  private readonly connection: Connection;
  private readonly pieces: AsyncGenerator<Piece, void, undefined>;
  private readonly seen: Piece[] = [];
  /** Always asked for: so the end is heard while nobody takes anything. */
  private next: Promise<IteratorResult<Piece, void>>;

  constructor(connection: Connection) {
    this.connection = connection;
    this.pieces = chunks(connection as unknown as AsyncIterable<Uint8Array>);
    this.next = this.ask();
  }

  /** What comes first, kept for whoever takes it all; null when nothing more comes. */
  async look(): Promise<Piece | null> {
    const { done, value } = await this.next;
    if (done) return null;
    this.seen.push(value);
    this.next = this.ask();
    return value;
  }

  /** From the first byte; once. Rejects when the connection breaks. */
  async *take(): AsyncGenerator<Piece, void, undefined> {
    yield* this.seen;
    for (let next = await this.next; !next.done; next = await this.pieces.next()) yield next.value;
  }

  close(): void {
    this.connection.destroy();
  }

  private ask(): Promise<IteratorResult<Piece, void>> {
    const next = this.pieces.next();
    // It is told to whoever waits for it; nobody may.
    next.catch(() => undefined);
    return next;
  }
}
