/**
 * A slot that is lent (E41): the attempt whose question is answered stays, and answers what else who asked asks by its channel,
 * one after the other, with no word of the broker's.
 *
 * 1. It ends by itself when it has lasted for `limits.loanMs`, when others wait for its slot, when it is given back, when who asked is
 *    gone, when it is told to end, and with the first question that its instance did not answer: never before the answer that is under
 *    way is whole.
 * 2. What was answered before counts in any case: its end is a success, with the sums of all.
 */
import { type Failure, type InferResult, limits } from '@gryphgen/protocol';
import type { Alarms, AnswerWriter, Clock, LentWriter, OverReason } from '@gryphgen/runtime';

type LentQuestion = Exclude<Awaited<ReturnType<LentWriter['next']>>, OverReason>;

interface LentOptions {
  readonly writer: Pick<AnswerWriter, 'lend'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** When its slot was taken. */
  readonly beganMono: number;
  /** It is to end. */
  readonly signal: AbortSignal;
  readonly recalled: AbortSignal;
  readonly answer: (question: LentQuestion) => Promise<InferResult | Failure>;
}

/** `first`: how the question that it came with was answered. */
export async function answerLent(first: InferResult, options: LentOptions): Promise<InferResult> {
  const { writer, clock, alarms, beganMono, signal, recalled, answer } = options;
  const ending = new AbortController();
  const cancelTime = alarms.after(limits.loanMs - (clock.mono() - beganMono), () => ending.abort('time'));
  const stop = (): void => ending.abort('time');
  const giveUp = (): void => ending.abort('recalled');
  signal.addEventListener('abort', stop, { once: true });
  recalled.addEventListener('abort', giveUp, { once: true });
  if (recalled.aborted) giveUp();
  if (signal.aborted) stop();
  const sum = new Sum(first);
  const lent = writer.lend();
  try {
    lent.done(first);
    for (;;) {
      // The alarm of a time that is over comes a turn later, behind a word that it waits.
      if (clock.mono() - beganMono >= limits.loanMs) stop();
      const next = await lent.next(ending.signal);
      if (typeof next === 'string') {
        lent.over(next);
        break;
      }
      const how = await answer(next);
      lent.done(how);
      if (!('code' in how)) sum.add(how);
      else if (!next.left.aborted) ending.abort('time');
    }
  } finally {
    cancelTime();
    signal.removeEventListener('abort', stop);
    recalled.removeEventListener('abort', giveUp);
  }
  return sum.result(clock.mono() - beganMono);
}

/** Of all that was answered: what its tokens took the server is known where it told that of each. */
class Sum {
  private readonly first: InferResult;
  private readonly tokens = { prompt: 0, cached: 0, output: 0 };
  private outputMs: number | undefined = 0;
  private questions = 0;

  constructor(first: InferResult) {
    this.first = first;
    this.add(first);
  }

  add({ tokens, outputMs }: InferResult): void {
    this.questions += 1;
    if (tokens === undefined) return;
    this.tokens.prompt += tokens.prompt;
    this.tokens.cached += tokens.cached;
    this.tokens.output += tokens.output;
    if (tokens.output === 0 || this.outputMs === undefined) return;
    this.outputMs = outputMs === undefined ? undefined : this.outputMs + outputMs;
  }

  result(ms: number): InferResult {
    const { first, tokens, outputMs, questions } = this;
    const { status, firstMs } = first;
    const counted = { tokens, ...(outputMs !== undefined && { outputMs }) };
    return { status, ...counted, firstMs, restMs: ms - firstMs, questions };
  }
}
