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
  private readonly last: string[] = [];
  private lastBytes = 0;

  add(piece: Uint8Array): void {
    const text = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1');
    if (this.first.length < keptBytes) this.first += text.slice(0, keptBytes - this.first.length);
    this.last.push(text);
    this.lastBytes += text.length;
    for (
      let [oldest = ''] = this.last;
      this.lastBytes - oldest.length >= keptBytes;
      [oldest = ''] = this.last
    ) {
      this.lastBytes -= oldest.length;
      this.last.shift();
    }
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

  /** How long the server computed the prompt, and the output; undefined where it did not tell. */
  promptMs(): number | undefined {
    return lastNumber(this.tail(), 'prompt_ms', measured);
  }

  outputMs(): number | undefined {
    return lastNumber(this.tail(), 'predicted_ms', measured);
  }

  /** By the first of these names that is there; the last that was said of it holds. */
  private find(...names: readonly string[]): number | undefined {
    const tail = this.tail();
    // Of a short answer the beginning is the end.
    for (const text of tail === this.first ? [tail] : [tail, this.first])
      for (const name of names) {
        const found = lastNumber(text, name, whole);
        if (found !== undefined) return found;
      }
    return undefined;
  }

  private tail(): string {
    return this.last.join('').slice(-keptBytes);
  }
}

const whole = / ?([0-9]{1,15})(?![0-9.e])/y;
const measured = / ?([0-9]{1,12}(?:\.[0-9]{1,20})?)(?![0-9.e])/y;

/** Behind the last `"name":` that a number of this form follows. */
function lastNumber(text: string, name: string, form: RegExp): number | undefined {
  const label = `"${name}":`;
  for (let at = text.lastIndexOf(label); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(label, at - 1)) {
    form.lastIndex = at + label.length;
    const found = form.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  return undefined;
}
