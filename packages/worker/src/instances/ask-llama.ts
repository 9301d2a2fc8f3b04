/**
 * One request to a llama-server over its unix socket.
 *
 * 1. A connection for each: it closes those of streams that it said to keep, and one costs a tenth of a millisecond here.
 * 2. Pieces are handed on one after the other; while one is not taken, nothing more is read.
 * 3. The lines by which it keeps a stream alive are no part of an answer: they come from one that is hung, too.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Door } from './local-instances.ts';

const maxHeaderSize = 16 * 1024;
/** Keeps nothing (1): one agent, and not one made for each request. */
const agent = new Agent({ keepAlive: false });

export interface LlamaRequest {
  readonly path: string;
  /** JSON; absent: GET. */
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

export interface LlamaAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Resolves when all came; false when `take` wanted no more. Rejects when the connection broke, or the signal was aborted. */
  read(take: (piece: Uint8Array) => Promise<boolean> | boolean): Promise<boolean>;
}

/** Rejects when nobody answers, or the signal is aborted. */
export function askLlama(
  { socketPath, apiKey }: Door,
  { path, body, signal }: LlamaRequest,
): Promise<LlamaAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ socketPath, path, signal, agent, maxHeaderSize },
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        host: 'localhost',
        authorization: `Bearer ${apiKey}`,
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
      },
    });
    asked.once('response', (answer) => {
      const { statusCode: status = 0, headers } = answer;
      const contentType = headers['content-type'] ?? '';
      resolve({ status, contentType, read: (take) => readPieces(answer, contentType, take) });
    });
    // Once it has answered, its connection's end is told by the answer.
    asked.on('error', reject);
    asked.end(body);
  });
}

function readPieces(
  answer: IncomingMessage,
  contentType: string,
  take: (piece: Uint8Array) => Promise<boolean> | boolean,
): Promise<boolean> {
  const isStream = contentType.startsWith('text/event-stream');
  return new Promise((resolve, reject) => {
    let taking: Promise<void> = Promise.resolve();
    const leave = (): void => {
      resolve(false);
      answer.destroy();
    };
    answer.on('data', (bytes: Buffer) => {
      const piece = isStream ? withoutPings(bytes) : bytes;
      if (piece.length === 0) return;
      answer.pause();
      taking = taking.then(async () => {
        if (await take(piece)) answer.resume();
        else leave();
      });
      taking.catch((error: unknown) => {
        reject(error);
        answer.destroy();
      });
    });
    answer.once('end', () => void taking.then(() => resolve(true), reject));
    answer.once('error', reject);
    answer.once('close', () => {
      if (!answer.complete) reject(new Error('the connection was closed in the middle of an answer'));
    });
  });
}

/** Comments between events: `:` and anything, up to an empty line. */
export function withoutPings(bytes: Buffer): Buffer {
  if (bytes[0] !== colon && !bytes.includes('\n\n:')) return bytes;
  return Buffer.from(bytes.toString('latin1').replace(/(?<=^|\n\n):[^\n]*\n\n/g, ''), 'latin1');
}

const colon = 0x3a;
