/**
 * The asker's side of answers that come straight from a worker (E33): one connection, and all that is answered there.
 *
 * 1. It is always read: what is behind with an answer holds that for itself, and holds up no other.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { ReceiveWindow } from '../byte-credit.ts';
import type { DataPlace } from '../data-connection.ts';
import { reachData } from '../reach-data.ts';
import { type AnswerRecord, RecordReader } from './answer-records.ts';
import { QuestionOutlet } from './question-outlet.ts';

export interface AnswersReading extends DataPlace {
  readonly grant: string;
  readonly channel: string;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** From now on what is answered comes here, and what is wanted goes there. */
  readonly onOpen: (outlet: QuestionOutlet) => void;
  /** Bytes are the caller's. What it throws ends the reading, with that. */
  readonly onRecord: (record: AnswerRecord) => void;
}

/** Resolves when no more will come, with why. Throws when the endpoint is none. */
export async function readAnswers(reading: AnswersReading): Promise<Failure> {
  const { grant, channel, signal, onOpen, onRecord, ...place } = reading;
  if (signal.aborted) return closed;
  const connection = await reachData(place, signal);
  const window = new ReceiveWindow();
  const records = new RecordReader();
  const outlet = new QuestionOutlet((bytes) => connection.say({ kind: 'input', bytes }));
  let isOpen = false;
  const drop = (): void => void connection.close();
  signal.addEventListener('abort', drop, { once: true });
  try {
    if (signal.aborted) return closed;
    await connection.open({ kind: 'answers', grant, channel, credit: window.total });
    for await (const answer of connection.answers()) {
      if (answer.kind === 'end') return answer.failure ?? closed;
      if (answer.kind === 'credit') {
        outlet.grant(answer.total);
        if (!isOpen) onOpen(outlet);
        isOpen = true;
        continue;
      }
      for (const record of records.take(answer.bytes)) {
        if (record === 'malformed') return nonsense;
        onRecord(record);
      }
      const total = window.take(answer.bytes.length);
      // Full: said again as a sign of life. Over: so are the answers.
      if (total !== undefined) await connection.grant(total).catch(() => undefined);
    }
    return signal.aborted ? closed : connection.broken;
  } finally {
    signal.removeEventListener('abort', drop);
    outlet.close();
    await connection.close();
  }
}

const closed = failure('lost.link', 'the connection for answers was closed');
const nonsense = failure('lost.link', 'the worker sent answers that make no sense');
