/**
 * Reads from a data endpoint: one connection, one transfer. The consumer's pace is the transfer's: what it has not taken
 * is not granted again.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { curveKeyPair, Dealer } from 'zeromq';
import type { Alarms } from './clock.ts';
import {
  type DataRequest,
  dataMagic,
  decodeDataAnswer,
  encodeData,
  keepAliveMs,
  maxDataFrameBytes,
  silenceMs,
  windowBytes,
} from './data-wire.ts';
import { deadConnectionOptions } from './dead-connections.ts';

/** Granted again when this part of the window has been taken. */
const grantPart = 1 / 2;

export interface LogReading {
  readonly endpoint: string;
  /** The endpoint's CURVE public key. */
  readonly dataKey: string;
  readonly grant: string;
  readonly task: number;
  readonly attempt: number;
  readonly from: number;
  readonly follow: boolean;
  readonly alarms: Alarms;
  readonly signal?: AbortSignal;
}

export type LogEvent =
  | { readonly kind: 'chunk'; readonly offset: number; readonly bytes: Uint8Array }
  /** The last event. `failure` null: all there was. */
  | { readonly kind: 'end'; readonly failure: Failure | null };

/** Ends with an `end` event, unless the consumer stops taking or the signal is aborted. Bytes are the consumer's. */
export async function* readLog(reading: LogReading): AsyncGenerator<LogEvent, void> {
  const { endpoint, dataKey, task, attempt, from, follow, grant, alarms, signal } = reading;
  // Who may read is in the grant: the connection's own key only encrypts, and is used once.
  const { publicKey, secretKey } = curveKeyPair();
  const socket = new Dealer({
    // For the cancel of a reader that has seen enough.
    linger: 200,
    sendTimeout: 0,
    maxMessageSize: maxDataFrameBytes,
    ...deadConnectionOptions,
    curvePublicKey: publicKey,
    curveSecretKey: secretKey,
    curveServerKey: dataKey,
  });
  const say = (request: DataRequest) => socket.send([dataMagic, encodeData(request)]);
  let granted = windowBytes;
  let heard = true;
  let quiet = 0;
  const close = (): void => {
    if (!socket.closed) socket.close();
  };
  const look = () =>
    alarms.after(keepAliveMs, () => {
      quiet = heard ? 0 : quiet + keepAliveMs;
      heard = false;
      if (quiet >= silenceMs) return close();
      cancelLook = look();
      // Full or closing: the next look judges.
      say({ kind: 'credit', total: granted }).catch(() => undefined);
    });
  let cancelLook = look();
  signal?.addEventListener('abort', close, { once: true });
  try {
    if (signal?.aborted) return;
    socket.connect(endpoint);
    await say({ kind: 'logs', task, attempt, from, follow, grant, credit: granted });
    for await (const [magic, frame] of socket) {
      const answer = magic?.equals(dataMagic) && frame ? decodeDataAnswer(frame) : undefined;
      heard = true;
      if (answer === undefined || answer.kind === 'alive') continue;
      yield answer;
      if (answer.kind === 'end') return;
      const total = answer.offset - from + answer.bytes.length + windowBytes;
      if (total - granted < windowBytes * grantPart) continue;
      granted = total;
      await say({ kind: 'credit', total });
    }
    if (!signal?.aborted)
      yield { kind: 'end', failure: failure('lost.link', `${endpoint} has fallen silent`) };
  } finally {
    cancelLook();
    signal?.removeEventListener('abort', close);
    if (!socket.closed) await say({ kind: 'cancel' }).catch(() => undefined);
    close();
  }
}
