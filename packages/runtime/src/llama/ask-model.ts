/**
 * A question to a model's server and what comes of it, for whoever asks it: the worker that has it, or who was lent a slot of it and
 * asks by its door (E42).
 *
 * 1. That the server refuses (a status of 400 and more) is an answer; that it is not there, or breaks off, is a failure.
 */
import { type Failure, failure, type InferResult } from '@gryphgen/protocol';
import type { Clock } from '../clock.ts';
import { askLlama, type Door, isEventStream, type KeptConnections, type TakePiece } from './ask-llama.ts';
import { TokenCount } from './token-count.ts';

/** It loads, or is ending: not an answer to what was asked. */
const notServing = 503;
const noTokens = { prompt: 0, cached: 0, output: 0 } as const;

export interface ModelQuestion {
  readonly door: Door;
  readonly kept: KeptConnections;
  /** For words. */
  readonly model: string;
  readonly path: string;
  readonly request: Uint8Array;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Before the first piece. */
  readonly onHead: (status: number, contentType: string) => void;
  readonly take: TakePiece;
}

/** `left`: its signal was aborted, or no more of it was taken. Never rejects, unless `take` does. */
export async function askModel(question: ModelQuestion): Promise<InferResult | Failure | 'left'> {
  const { door, kept, model, path, request, clock, signal, onHead, take } = question;
  const count = new TokenCount();
  const beganMono = clock.mono();
  let firstMono: number | undefined;
  try {
    const { status, contentType, read } = await askLlama(door, { path, body: request, kept, signal });
    if (status === notServing)
      return failure('execution.model', `the instance of ${model} here does not serve now`);
    onHead(status, contentType);
    const isWhole = await read((piece) => {
      firstMono ??= clock.mono();
      count.add(piece);
      return take(piece);
    });
    if (!isWhole) return 'left';
    const firstMs = (firstMono ?? clock.mono()) - beganMono;
    // A stream that ends before its first word tells no counts.
    const tokens = count.tokens() ?? (isEventStream(contentType) && status < 400 ? noTokens : undefined);
    const [promptMs, outputMs] = [count.promptMs(), count.outputMs()];
    const counted = {
      ...(tokens && { tokens }),
      ...(promptMs !== undefined && { promptMs }),
      ...(outputMs !== undefined && { outputMs }),
    };
    return { status, ...counted, firstMs, restMs: clock.mono() - beganMono - firstMs };
  } catch (error) {
    if (signal.aborted) return 'left';
    const how = firstMono === undefined ? 'did not answer' : 'broke off its answer';
    const words = error instanceof Error ? error.message : String(error);
    return failure('execution.model', `the instance of ${model} here ${how}: ${words}`);
  }
}
