/**
 * What programs written for OpenAI's API do, by its official client. Whoever answers has two models: `tiny`, which chats in
 * slots of few tokens, and `embed`.
 */
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';

export interface OpenaiPlace {
  readonly baseURL: string;
  readonly apiKey: string;
  /** How ids of its answers look. */
  readonly requestId?: RegExp;
}

const user = (content: string) => [{ role: 'user' as const, content }];
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

/** No retries: what is refused is to be seen. */
export function openaiAt({ baseURL, apiKey }: OpenaiPlace): OpenAI {
  return new OpenAI({ baseURL, apiKey, maxRetries: 0 });
}

export function openaiSuite(place: () => OpenaiPlace): void {
  const client = () => openaiAt(place());
  const chat = { model: 'tiny', temperature: 0, max_tokens: 100 };

  describe('by OpenAI’s client', () => {
    it('the models are listed', async () => {
      const names: string[] = [];
      for await (const { id } of client().models.list()) names.push(id);
      expect(names).toEqual(expect.arrayContaining(['embed', 'tiny']));
      expect(await client().models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model' });
    });

    it('a chat is answered, whole and as a stream, with the same words', async () => {
      const asked = { ...chat, messages: user('What is a heartbeat?') };
      const { data: whole, response } = await client().chat.completions.create(asked).withResponse();
      const words = whole.choices[0]?.message.content ?? '';
      expect(words.length).toBeGreaterThan(10);
      expect(whole.usage?.completion_tokens).toBeGreaterThan(5);
      expect(response.headers.get('x-request-id')).toMatch(place().requestId ?? /^e[0-9]+\.[0-9]+$/);
      let streamed = '';
      let pieces = 0;
      for await (const { choices } of await client().chat.completions.create({ ...asked, stream: true })) {
        streamed += choices[0]?.delta.content ?? '';
        pieces += 1;
      }
      expect(streamed).toBe(words);
      expect(pieces).toBeGreaterThan(5);
    });

    it('tools are called, schemas are kept, and tokens have their probabilities', async () => {
      const tool = { type: 'function' as const, function: { name: 'weather', parameters: city } };
      const called = await client().chat.completions.create({
        ...chat,
        messages: user('What is the weather like in Paris?'),
        tools: [tool],
      });
      expect(called.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: 'weather' } });
      const schema = { type: 'json_schema' as const, json_schema: { name: 'place', schema: city } };
      const formed = await client().chat.completions.create({
        ...chat,
        messages: user('Where?'),
        response_format: schema,
      });
      expect(JSON.parse(formed.choices[0]?.message.content ?? '')).toEqual({ city: expect.any(String) });
      const told = await client().chat.completions.create({
        ...chat,
        max_tokens: 3,
        messages: user('Say it'),
        logprobs: true,
        top_logprobs: 2,
      });
      expect(told.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(2);
    });

    it('prompts are completed, responses made, texts embedded', async () => {
      const completed = await client().completions.create({ ...chat, prompt: 'the worker', max_tokens: 4 });
      expect(completed.choices[0]?.text.length).toBeGreaterThan(0);
      const made = await client().responses.create({ model: 'tiny', input: 'Hello', max_output_tokens: 8 });
      expect(made.object).toBe('response');
      const input = ['the worker sends a heartbeat', 'music in the garden'];
      const { data } = await client().embeddings.create({ model: 'embed', input, encoding_format: 'float' });
      expect(data.map(({ embedding }) => embedding.length > 8)).toEqual([true, true]);
    });

    it('what cannot be done is its kind of error, in words', async () => {
      const ask = (by: OpenAI, over: object) =>
        by.chat.completions.create({ ...chat, messages: user('Hello'), ...over }).then(
          () => undefined,
          (error: unknown) => error,
        );
      const stranger = openaiAt({ ...place(), apiKey: 'gg-of-nobody' });
      expect(await ask(stranger, {})).toBeInstanceOf(OpenAI.AuthenticationError);
      const unknown = await ask(client(), { model: 'tinny' });
      expect(unknown).toBeInstanceOf(OpenAI.NotFoundError);
      expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model' });
      expect(String(unknown)).toContain('did you mean tiny?');
      const long = await ask(client(), { messages: user('heartbeat '.repeat(5000)) });
      expect(long).toBeInstanceOf(OpenAI.BadRequestError);
      expect(long).toMatchObject({ type: 'exceed_context_size_error' });
      expect(await ask(client(), { n: 1e6 })).toBeInstanceOf(OpenAI.BadRequestError);
    });

    it('an answer that is given up frees its slot', async () => {
      // More than the model has slots, one after the other: each would go on for long.
      for (let round = 0; round < 6; round++) {
        const stream = await client().chat.completions.create({
          ...chat,
          max_tokens: 100_000,
          messages: user('On and on'),
          logit_bias: {},
          stream: true,
        });
        for await (const _ of stream) break;
      }
      const { choices } = await client().chat.completions.create({
        ...chat,
        max_tokens: 2,
        messages: user('Hi'),
      });
      expect(choices).toHaveLength(1);
    });
  });
}
