import { expect, it } from 'vitest';
import { TokenCount } from './token-count.ts';

function counted(...pieces: string[]) {
  const count = new TokenCount();
  for (const piece of pieces) count.add(Buffer.from(piece));
  return count.tokens();
}

it('counts by timings, where the prompt is what was computed and what was there', () => {
  const last =
    'data: {"choices":[],"timings":{"cache_n":13,"prompt_n":1,"predicted_n":3}}\n\ndata: [DONE]\n\n';
  expect(counted('data: {"choices":[{}]}\n\n', last)).toEqual({ prompt: 14, cached: 13, output: 3 });
});

it('tells how long prompt and output took, where the server does', () => {
  const count = new TokenCount();
  expect([count.promptMs(), count.outputMs()]).toEqual([undefined, undefined]);
  count.add(
    Buffer.from(
      '{"content":"\\"predicted_ms\\": 7","timings":{"prompt_ms":4.5,"predicted_n":3,"predicted_ms":12.25}}',
    ),
  );
  expect([count.promptMs(), count.outputMs()]).toEqual([4.5, 12.25]);
});

it('counts by usage, in the words of each API', () => {
  const usage = '{"usage":{"prompt_tokens":7,"total_tokens":7},"data":[]}';
  expect(counted(usage)).toEqual({ prompt: 7, cached: 0, output: 0 });
  const response =
    '{"usage":{"input_tokens":14,"output_tokens":3,"input_tokens_details":{"cached_tokens":13}}}';
  expect(counted(response)).toEqual({ prompt: 14, cached: 13, output: 3 });
  const start = 'data: {"usage":{"cache_read_input_tokens":13,"input_tokens":1,"output_tokens":0}}\n\n';
  const end = 'data: {"usage":{"output_tokens":3}}\n\n';
  expect(counted(start, end)).toEqual({ prompt: 14, cached: 13, output: 3 });
});

it('finds the begin of a long answer, and what comes in pieces', () => {
  const filling = 'x'.repeat(100_000);
  expect(counted('{"usage":{"prompt_to', `kens":7},"data":"${filling}`)).toEqual({
    prompt: 7,
    cached: 0,
    output: 0,
  });
});

it('takes nothing for a number that a model wrote, and says when nothing was told', () => {
  expect(counted('{"content":"\\"prompt_tokens\\": 5, \\"prompt_n\\": 6"}')).toBeUndefined();
});
