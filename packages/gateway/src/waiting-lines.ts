/**
 * What a client of a stream hears while its model is loaded or its question waits: comments, which every reader of events
 * passes over, so that neither it nor a proxy between takes the silence for an end.
 *
 * 1. The first comes `everyMs` after the question was accepted, and the headers with it: what is refused sooner has its status.
 * 2. From then on all that goes wrong is told as an event (`lateRefusal`): the status was sent.
 */
import type { ServerResponse } from 'node:http';
import type { Answer, AnswerHead } from '@gryphgen/client';
import { type Alarms, type Cancel, parseJson } from '@gryphgen/runtime';
import { z } from 'zod';
import { ApiError } from './api-error.ts';

export const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // Proxies that gather answers would take the stream out of it.
  'x-accel-buffering': 'no',
} as const;

interface WaitingLines {
  readonly response: ServerResponse;
  readonly alarms: Alarms;
  readonly everyMs: number;
  readonly model: string;
}

/** Returns what ends them. */
export function sendWaitingLines({ response, alarms, everyMs, model }: WaitingLines): Cancel {
  let cancel: Cancel;
  const next = (): void => {
    cancel = alarms.after(everyMs, () => {
      if (!response.headersSent) response.writeHead(200, streamHeaders);
      response.write(`: waiting for ${model}\n\n`);
      next();
    });
  };
  next();
  return () => cancel();
}

/** Of a refusal by the model's server; more of it tells nobody more. */
const refusalBytes = 16 * 1024;

const refusalSchema = z.object({
  error: z.object({ message: z.string(), type: z.string().default('invalid_request_error') }),
});

/** What the model's server would have been quoted with, had the headers not been sent. */
export async function lateRefusal({ status }: AnswerHead, body: Answer['body']): Promise<ApiError> {
  const text = await beginning(body);
  const { message, type } = errorIn(text) ?? { message: text, type: 'server_error' };
  return new ApiError({ status, type, code: type, message });
}

/** Who stops taking an answer cancels it, and that is right for what is longer. */
async function beginning(body: Answer['body']): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece);
    length += piece.length;
    if (length >= refusalBytes) break;
  }
  return Buffer.concat(pieces).subarray(0, refusalBytes).toString('utf8');
}

function errorIn(text: string): { readonly message: string; readonly type: string } | undefined {
  // What is none is told as it is.
  return refusalSchema.safeParse(parseJson(text)).data?.error;
}
