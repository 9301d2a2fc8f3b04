/**
 * How long a question will be answered on a worker: its prompt read, and its answer written, as fast as its model was seen to do both
 * there. What the worker knows of the prompt's beginning is not read again.
 *
 * 1. Only where both are known of the seat; else what is usual of its class there stands.
 */
import type { Envelope, WorkerId } from '@gryphgen/protocol';
import { answerLength, promptBytesEach, promptOn } from '@gryphgen/scheduler';
import type { BrokerState } from '../state.ts';
import { seatsOf } from './model-learning.ts';

/** Of a tokenizer and a language of which nothing was seen. */
const usualBytesEach = 4;

/** Tokens. */
interface Length {
  readonly prompt: number;
  readonly output: number;
}

export function foreseenAnswers(
  state: BrokerState,
  question: Pick<Envelope, 'model' | 'prefix' | 'asks'>,
): ((worker: WorkerId) => number | undefined) | undefined {
  const { model, prefix } = question;
  const length = lengthOf(state, question);
  if (model === undefined || length === undefined) return undefined;
  const { lessons, prefixes } = state.models;
  return (worker) => {
    const seats = seatsOf(state, model, worker);
    const [seat] = seats;
    if (seat === undefined || seats.size > 1) return undefined;
    const reads = lessons.speeds.of(model, promptOn(seat))?.tokensPerS;
    const writes = lessons.speeds.of(model, seat)?.tokensPerS;
    if (reads === undefined || writes === undefined) return undefined;
    const known = prefix === undefined ? 0 : prefixes.shareOn(worker, model, prefix);
    return 1000 * ((length.prompt * (1 - known)) / reads + length.output / writes);
  };
}

/** In words; '' where nothing is foretold by it on that worker. */
export function answerWords(state: BrokerState, envelope: Envelope, worker: WorkerId): string {
  const length = lengthOf(state, envelope);
  if (length === undefined || foreseenAnswers(state, envelope)?.(worker) === undefined) return '';
  const { prompt, output } = length;
  return `, for a prompt of about ${Math.round(prompt)} tokens and an answer of ${Math.round(output)}`;
}

/** Undefined as long as no answer of the model told how long answers are. */
function lengthOf(
  { models: { lessons } }: BrokerState,
  { model = '', asks }: Pick<Envelope, 'model' | 'asks'>,
): Length | undefined {
  const usual = asks && lessons.speeds.of(model, answerLength)?.tokensPerS;
  if (asks === undefined || usual === undefined) return undefined;
  const bytesEach = lessons.speeds.of(model, promptBytesEach)?.tokensPerS ?? usualBytesEach;
  return { prompt: asks.promptBytes / bytesEach, output: Math.min(usual, asks.maxTokens ?? usual) };
}
