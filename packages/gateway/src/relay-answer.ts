/**
 * An answer of the grid on its way to a client: status, kind and bytes as they come.
 *
 * 1. Nothing of it is gathered, but one piece of what is no stream: half of that is of no use, and one of one piece can say how long it
 *    is. While the client takes none, none is asked for: what waits then is the SDK's, which has the model wait.
 * 2. A client that draws its answer out has gone: one that takes next to nothing (pace.ts) of it in `stallMs` in which it is waited for.
 */

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AnswerHead } from '@gryphgen/client';
import { type Alarms, type Clock, Pace } from '@gryphgen/runtime';
import type { DoorAnswer } from './grid-door.ts';
import { lateRefusal, sendWaitingLines, streamHeaders } from './waiting-lines.ts';

export interface Relay {
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly stallMs: number;
  /** The client is given up. */
  readonly onStalled: () => void;
  /** The client asked for a stream, and hears while it waits. */
  readonly waiting: { readonly everyMs: number; readonly model: string } | undefined;
  readonly onFirstByte: () => void;
  readonly onBytes: (count: number) => void;
}

/** Rejects with why it has no head, or breaks off. */
export async function relayAnswer(answer: DoorAnswer, relay: Relay): Promise<void> {
  const { response, signal, clock, stallMs, onFirstByte, onBytes } = relay;
  const head = await headOf(answer, relay);
  onFirstByte();
  const { status, contentType } = head;
  const isStream = isEventStream(contentType);
  if (response.headersSent) {
    if (!isStream) throw await lateRefusal(head, answer.body);
  } else if (isStream) response.writeHead(status, { ...streamHeaders, 'content-type': contentType });
  else {
    // Sent with the first piece that is.
    response.statusCode = status;
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', contentType);
  }
  const pace = new Pace(clock, stallMs);
  let kept: Uint8Array | undefined;
  for await (const bytes of answer.body) {
    signal.throwIfAborted();
    onBytes(bytes.length);
    const sent = isStream ? bytes : kept;
    kept = isStream ? undefined : bytes;
    if (sent === undefined) continue;
    if (!response.write(sent)) await drained(relay, pace);
    pace.moved(sent.length);
  }
  signal.throwIfAborted();
  response.end(kept);
}

async function headOf(answer: DoorAnswer, { response, signal, alarms, waiting }: Relay): Promise<AnswerHead> {
  const stopLines = waiting && sendWaitingLines({ response, alarms, ...waiting });
  try {
    return await unlessAborted(answer.head, signal);
  } finally {
    stopLines?.();
  }
}

export function isEventStream(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.startsWith('text/event-stream');
}

async function drained({ response, signal, alarms, onStalled }: Relay, pace: Pace): Promise<void> {
  pace.waits();
  const cancel = alarms.after(Math.max(0, pace.leftMs), onStalled);
  try {
    await once(response, 'drain', { signal });
  } finally {
    cancel();
    pace.goesOn();
  }
}

/** What is waited for may take no notice of the signal. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const settle = (): void => signal.removeEventListener('abort', stop);
    promise.then(resolve, reject);
    promise.then(settle, settle);
  });
}
