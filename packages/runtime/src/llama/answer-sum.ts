/** Of answers that came by one slot, one after the other: what they took in all. */
import type { InferResult } from '@gryphgen/protocol';

type Answered = Pick<InferResult, 'tokens' | 'promptMs' | 'outputMs' | 'questions'>;

export class AnswerSum {
  private readonly tokens = { prompt: 0, cached: 0, output: 0 };
  /** Known where the server told that of each. */
  private promptMs: number | undefined = 0;
  private outputMs: number | undefined = 0;
  private questions = 0;

  /** One answer, or the sums of several. */
  add({ tokens, promptMs, outputMs, questions = 1 }: Answered): void {
    this.questions += questions;
    if (tokens === undefined) return;
    this.tokens.prompt += tokens.prompt;
    this.tokens.cached += tokens.cached;
    this.tokens.output += tokens.output;
    if (tokens.prompt > tokens.cached) this.promptMs = plus(this.promptMs, promptMs);
    if (tokens.output > 0) this.outputMs = plus(this.outputMs, outputMs);
  }

  /** With what else is told of the first. */
  with(first: Pick<InferResult, 'status' | 'firstMs' | 'restMs'>): InferResult {
    const { tokens, promptMs, outputMs, questions } = this;
    const { status, firstMs, restMs } = first;
    const counted = {
      tokens: { ...tokens },
      ...(promptMs !== undefined && { promptMs }),
      ...(outputMs !== undefined && { outputMs }),
    };
    return { status, ...counted, firstMs, restMs, questions };
  }
}

function plus(sum: number | undefined, ms: number | undefined): number | undefined {
  return sum === undefined || ms === undefined ? undefined : sum + ms;
}
