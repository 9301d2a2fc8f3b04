/**
 * The asker's side of answers that come straight from a worker (E33): one connection, and all that is answered there.
 *
 * 1. It is always read: what is behind with an answer holds that for itself, and holds up no other.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { readData } from '../data-client.ts';
import type { DataPlace } from '../data-connection.ts';
import { type AnswerRecord, RecordReader } from './answer-records.ts';

export interface AnswersReading extends DataPlace {
  readonly grant: string;
  readonly channel: string;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** Bytes are the caller's. What it throws ends the reading, with that. */
  readonly onRecord: (record: AnswerRecord) => void;
}

/** Resolves when no more will come, with why. Throws when the endpoint is none. */
export async function readAnswers({
  grant,
  channel,
  onRecord,
  ...reading
}: AnswersReading): Promise<Failure> {
  const records = new RecordReader();
  for await (const event of readData(reading, { kind: 'answers', grant, channel })) {
    if (event.kind === 'end') return event.failure ?? over;
    for (const record of records.take(event.bytes)) {
      if (record === 'malformed') return nonsense;
      onRecord(record);
    }
  }
  return over;
}

const over = failure('lost.link', 'the connection for answers was closed');
const nonsense = failure('lost.link', 'the worker sent answers that make no sense');
