/**
 * How many tokens a request took, from the text of its answer: the numbers stand in it in as many ways as there are APIs.
 *
 * 1. Nothing is parsed as a whole: of a long answer only its begin and its end are kept, where these numbers stand.
 * 2. What a model wrote is not taken for a number: within a string the quotes around a name are escaped.
 */
import type { InferResult } from '@gryphgen/protocol';

const keptBytes = 8 * 1024;

type Tokens = NonNullable<InferResult['tokens']>;

export class TokenCount {
  private first = '';
  private last = '';

  add(piece: Uint8Array): void {
    const text = Buffer.from(piece).toString('latin1');
    if (this.first.length < keptBytes) this.first += text.slice(0, keptBytes - this.first.length);
    this.last = (this.last + text).slice(-keptBytes);
  }

  /** Undefined where the server did not tell. */
  tokens(): Tokens | undefined {
    const output = this.find('predicted_n', 'completion_tokens', 'output_tokens') ?? 0;
    const apart = this.find('cache_read_input_tokens');
    const cached = this.find('cache_n', 'cached_tokens') ?? apart ?? 0;
    // Some tell the prompt without what was there already.
    const computed = this.find('prompt_n') ?? (apart === undefined ? undefined : this.find('input_tokens'));
    const prompt = computed === undefined ? this.find('prompt_tokens', 'input_tokens') : computed + cached;
    return prompt === undefined ? undefined : { prompt, cached, output };
  }

  /** By the first of these names that is there; the last that was said of it holds. */
  private find(...names: readonly string[]): number | undefined {
    for (const text of [this.last, this.first])
      for (const name of names) {
        const [found] = [...text.matchAll(new RegExp(`"${name}": ?([0-9]{1,15})(?![0-9.e])`, 'g'))].slice(-1);
        if (found !== undefined) return Number(found[1]);
      }
    return undefined;
  }
}
