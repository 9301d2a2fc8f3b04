/**
 * Reads a log or an artifact from a data endpoint. The consumer's pace is the transfer's: what it has not taken is not granted again.
 */
import type { Failure } from '@gryphgen/protocol';
import { ReceiveWindow } from './byte-credit.ts';
import type { DataPlace } from './data-connection.ts';
import type { ReadRequest } from './data-wire.ts';
import { reachData } from './reach-data.ts';

export interface LogReading extends DataPlace {
  readonly grant: string;
  readonly task: number;
  readonly attempt: number;
  readonly from: number;
  readonly follow: boolean;
  readonly signal?: AbortSignal;
}

type WithoutCredit<R> = R extends unknown ? Omit<R, 'credit'> : never;

export type LogEvent =
  | { readonly kind: 'chunk'; readonly offset: number; readonly bytes: Uint8Array }
  /** The last event. `failure` null: all there was. */
  | { readonly kind: 'end'; readonly failure: Failure | null };

/** Ends with an `end` event, unless the consumer stops taking or the signal is aborted. Bytes are the consumer's. */
export function readLog(reading: LogReading): AsyncGenerator<LogEvent, void> {
  const { task, attempt, from, follow, grant } = reading;
  return readData(reading, { kind: 'logs', task, attempt, from, follow, grant });
}

export async function* readData(
  { signal, ...place }: DataPlace & { readonly signal?: AbortSignal },
  request: WithoutCredit<Exclude<ReadRequest, { kind: 'answers' }>>,
): AsyncGenerator<LogEvent, void> {
  if (signal?.aborted) return;
  const connection = await reachData(place, signal);
  const window = new ReceiveWindow();
  const drop = (): void => connection.drop();
  signal?.addEventListener('abort', drop, { once: true });
  try {
    if (signal?.aborted) return;
    await connection.open({ ...request, credit: window.total });
    place.pace?.waits();
    for await (const answer of connection.answers()) {
      if (answer.kind === 'credit') continue;
      place.pace?.goesOn();
      yield answer;
      if (answer.kind === 'end') return;
      place.pace?.moved(answer.bytes.length);
      const total = window.take(answer.bytes.length);
      if (total !== undefined) await connection.grant(total);
      place.pace?.waits();
    }
    if (!signal?.aborted) yield { kind: 'end', failure: connection.broken };
  } finally {
    signal?.removeEventListener('abort', drop);
    await connection.close();
  }
}
