/** An answer that is to be the task's result, while it comes: a writer like a channel's, which holds what a result does. */
import { type Failure, failure, limits } from '@gryphgen/protocol';
import type { AnswerWriter } from '@gryphgen/runtime';
import { resultBytes } from '../executors/call-executor.ts';

export const tooLong = failure(
  'rejected.limit',
  `the answer is longer than the ${limits.outcomeBytes} bytes that a result may have: ask with a channel`,
);

const noChannel = failure('rejected.invalid', 'body.channel: expected one, by which so long a request comes');

export class CollectedAnswer implements Omit<AnswerWriter, 'lend'> {
  readonly gone: AbortSignal = new AbortController().signal;
  private readonly pieces: Uint8Array[] = [];
  private bytes = 0;

  async question(): Promise<Failure> {
    return noChannel;
  }

  head(): void {
    // Its status stands in the result.
  }

  async write(piece: Uint8Array): Promise<boolean> {
    this.bytes += piece.length;
    if (this.bytes <= resultBytes) this.pieces.push(piece);
    return this.bytes <= resultBytes;
  }

  async end(): Promise<void> {
    // It is read by who made it.
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }
}

/** Whether a request asks for its answer in pieces, which no result holds. */
export function asksForStream(request: Uint8Array): boolean {
  try {
    const asked: unknown = JSON.parse(Buffer.from(request).toString());
    return typeof asked === 'object' && asked !== null && 'stream' in asked && asked.stream === true;
  } catch {
    return false; // what is no JSON the server refuses, in its own words
  }
}

export const noStream: Failure = failure(
  'rejected.invalid',
  'a result holds no stream: leave "stream" out, or ask with a channel',
);
