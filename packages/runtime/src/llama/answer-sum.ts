/** Of answers that came by one slot, one after the other: what they took in all. */
import type { InferResult } from '@gryphgen/protocol';

export class AnswerSum {
  private readonly tokens = { prompt: 0, cached: 0, output: 0 };
  /** Known where the server told that of each. */
  private outputMs: number | undefined = 0;
  private questions = 0;

  /** One answer, or the sums of several. */
  add({ tokens, outputMs, questions = 1 }: Pick<InferResult, 'tokens' | 'outputMs' | 'questions'>): void {
    this.questions += questions;
    if (tokens === undefined) return;
    this.tokens.prompt += tokens.prompt;
    this.tokens.cached += tokens.cached;
    this.tokens.output += tokens.output;
    if (tokens.output === 0 || this.outputMs === undefined) return;
    this.outputMs = outputMs === undefined ? undefined : this.outputMs + outputMs;
  }

  /** With what else is told of the first. */
  with(first: Pick<InferResult, 'status' | 'firstMs' | 'restMs'>): InferResult {
    const { tokens, outputMs, questions } = this;
    const { status, firstMs, restMs } = first;
    const counted = { tokens: { ...tokens }, ...(outputMs !== undefined && { outputMs }) };
    return { status, ...counted, firstMs, restMs, questions };
  }
}
