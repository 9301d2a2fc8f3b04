/**
 * An answer of the grid on its way to a client: status, kind and bytes as they come.
 *
 * 1. Nothing of it is gathered. While the client takes none, none is asked for: what waits then is the SDK's, which gives the
 *    answer up when that is too much.
 * 2. A client that takes nothing for `stallMs` has gone.
 */

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Answer } from '@gryphgen/client';
import type { Alarms } from '@gryphgen/runtime';

export interface Relay {
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  readonly alarms: Alarms;
  readonly stallMs: number;
  readonly onFirstByte: () => void;
  readonly onBytes: (count: number) => void;
}

/** Rejects with why it has no head, or breaks off. */
export async function relayAnswer(answer: Answer, relay: Relay): Promise<void> {
  const { response, signal, onFirstByte, onBytes } = relay;
  const { status, contentType } = await unlessAborted(answer.head, signal);
  onFirstByte();
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    // Proxies that gather answers would take the stream out of it.
    ...(isEventStream(contentType) && { 'x-accel-buffering': 'no' }),
  });
  for await (const bytes of answer.body) {
    signal.throwIfAborted();
    onBytes(bytes.length);
    if (!response.write(bytes)) await drained(relay);
  }
  signal.throwIfAborted();
  response.end();
}

export function isEventStream(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.startsWith('text/event-stream');
}

async function drained({ response, signal, alarms, stallMs }: Relay): Promise<void> {
  const cancel = alarms.after(stallMs, () => response.destroy());
  try {
    await once(response, 'drain', { signal });
  } finally {
    cancel();
  }
}

/** What is waited for may take no notice of the signal. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop();
  });
}
