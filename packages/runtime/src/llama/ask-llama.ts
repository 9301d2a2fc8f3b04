/**
 * One request to a llama-server over its unix socket.
 *
 * 1. A question's connection is kept for the next one, for `idleMs`: to make one costs more than all else that is done here for
 *    a short answer. The server has a thread for each connection, a few more than slots. So a question takes one that is kept
 *    where there is one, and there are never more than there were questions at a time; looks at it, which must not wait
 *    for those threads, come by connections of their own, and none is kept of them.
 * 2. Pieces are handed on one after the other; while one is not taken, nothing more is read.
 * 3. The lines by which it keeps a stream alive are no part of an answer: they come from one that is hung, too.
 * 4. It closes the connection of a stream that it said to keep, so none is kept.
 * 5. A kept connection may be closed while a question is on its way to it: that one is asked once more, by a new one.
 */
import { Agent, type IncomingMessage, request } from 'node:http';

const maxHeaderSize = 16 * 1024;
/** Less than the five seconds after which the server closes it, so that it seldom does so first (5). */
const idleMs = 2000;
const fresh = new Agent({ keepAlive: false });

/** Where a llama-server listens, and what opens it. */
export interface Door {
  readonly socketPath: string;
  readonly apiKey: string;
}

/** To one server, kept between questions. */
export class KeptConnections {
  /** The last that was kept is taken first: the others may end. */
  readonly agent = new Agent({ keepAlive: true, timeout: idleMs, scheduling: 'lifo' });

  /** Those on which nothing is asked: others need the server's threads. */
  closeIdle(): void {
    for (const idle of Object.values(this.agent.freeSockets))
      for (const socket of idle ?? []) socket.destroy();
  }

  /** With what is asked on them. */
  close(): void {
    this.agent.destroy();
  }
}

export interface LlamaRequest {
  readonly path: string;
  /** JSON; absent: GET. */
  readonly body?: Uint8Array;
  /** By one of these; absent: by a connection of its own. */
  readonly kept?: KeptConnections;
  readonly signal: AbortSignal;
}

/** Takes a piece. False, or a promise of that: no more is wanted. */
export type TakePiece = (piece: Uint8Array) => Promise<boolean> | boolean;

export interface LlamaAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Resolves when all came; false when `take` wanted no more. Rejects when the connection broke, or the signal was aborted. */
  read(take: TakePiece): Promise<boolean>;
}

/** Rejects when nobody answers, or the signal is aborted. */
export function askLlama(door: Door, question: LlamaRequest): Promise<LlamaAnswer> {
  const { kept } = question;
  return kept === undefined
    ? askBy(fresh, door, question)
    : askBy(kept.agent, door, question).catch((error: unknown) => {
        if (error instanceof ClosedMeanwhile) return askBy(fresh, door, question);
        throw error;
      });
}

/** A connection that was kept has ended without a word of an answer. */
class ClosedMeanwhile extends Error {}

function askBy(
  agent: Agent,
  { socketPath, apiKey }: Door,
  { path, body, signal }: LlamaRequest,
): Promise<LlamaAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ socketPath, path, agent, maxHeaderSize },
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        host: 'localhost',
        authorization: `Bearer ${apiKey}`,
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
      },
    });
    // Given to the request as an option it would take twice the CPU of all else that is done for it here.
    const stop = (): void => void asked.destroy(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    asked.once('close', () => signal.removeEventListener('abort', stop));
    asked.once('response', (answer) => {
      const { statusCode: status = 0, headers } = answer;
      const contentType = headers['content-type'] ?? '';
      if (isEventStream(contentType)) asked.shouldKeepAlive = false;
      resolve({ status, contentType, read: (take) => readPieces(answer, contentType, take) });
    });
    // Once it has answered, its connection's end is told by the answer.
    asked.on('error', (error) =>
      reject(asked.reusedSocket && !signal.aborted ? new ClosedMeanwhile('', { cause: error }) : error),
    );
    if (signal.aborted) stop();
    else asked.end(body);
  });
}

export function isEventStream(contentType: string): boolean {
  return contentType.startsWith('text/event-stream');
}

function readPieces(answer: IncomingMessage, contentType: string, take: TakePiece): Promise<boolean> {
  const hasPings = isEventStream(contentType);
  return new Promise((resolve, reject) => {
    let taking: Promise<void> | undefined;
    const fail = (error: unknown): void => {
      reject(error);
      answer.destroy();
    };
    const goOn = (isTaken: boolean): void => {
      if (isTaken) {
        answer.resume();
        return;
      }
      resolve(false);
      answer.destroy();
    };
    answer.on('data', (bytes: Buffer) => {
      const piece = hasPings ? withoutPings(bytes) : bytes;
      if (piece.length === 0) return;
      const taken = take(piece);
      if (taken === true) return;
      answer.pause();
      if (taken === false) {
        goOn(false);
        return;
      }
      taking = taken.then(goOn);
      taking.catch(fail);
    });
    // It may come while the last piece is being taken.
    answer.once('end', () => {
      if (taking === undefined) resolve(true);
      else taking.then(() => resolve(true), reject);
    });
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
