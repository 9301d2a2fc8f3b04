/** Requests, answers and errors, by real sockets. */
import type { AnswerHead } from '@gryphgen/client';
import { failure, GridError } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { chat, deferred, GatewayFixture } from './gateway.fixture.ts';

const fixture = new GatewayFixture();

describe('a request', () => {
  it('is passed on as it came, and its answer has the id of its task', async () => {
    const url = await fixture.open();
    const body = ` ${chat({ max_tokens: 5, odd: { deep: [1] } })}\n`;
    const told = await fixture.ask(`${url}/v1/chat/completions?x=1`, body);
    expect(told).toMatchObject({ status: 200, body: '{"ok":true}', headers: { 'x-request-id': 'e3.17' } });
    const [question] = fixture.grid.asked;
    expect(question).toMatchObject({ kind: 'infer', model: 'tiny', path: '/v1/chat/completions' });
    expect(Buffer.from(question?.request ?? []).toString()).toBe(body);
  });

  it('is asked for its key, which has its turn by that, and is told when to ask again where there is no room', async () => {
    const url = await fixture.open();
    const { id, key } = await fixture.newKey();
    const by = { authorization: `Bearer ${key}` };
    await fixture.ask(`${url}/v1/completions`, chat(), by);
    expect(fixture.grid.asked).toMatchObject([{ party: id }]);
    fixture.grid.refuses = new GridError(failure('rejected.limit', 'words'));
    const told = await fixture.ask(`${url}/v1/completions`, chat(), by);
    expect(told).toMatchObject({ status: 429, error: { message: 'words' }, headers: { 'retry-after': '1' } });
  });

  it('for embeddings goes as such', async () => {
    const url = await fixture.open();
    await fixture.ask(`${url}/v1/embeddings`, chat());
    expect(fixture.grid.asked).toMatchObject([{ kind: 'embed', path: '/v1/embeddings' }]);
  });

  it.each([
    ['', 'the body is empty'],
    ['{"model"', 'the body is no JSON: '],
    ['[]', 'the body: '],
    ['{}', 'model: '],
    ['{"model":"../x"}', 'model: expected 1 to 64 of letters'],
    [chat({ n: 1000 }), 'n: Too big: expected number to be <=64'],
    [chat({ max_tokens: 1e9 }), 'max_tokens: Too big'],
    [chat({ stream: 'yes' }), 'stream: '],
    ['['.repeat(100_000), 'the body is no JSON: '],
  ])('that is %.20s is refused in words', async (body, words) => {
    const url = await fixture.open();
    const { status, error } = await fixture.ask(`${url}/v1/chat/completions`, body);
    expect(error.message).toContain(words);
    expect({ status, type: error.type }).toEqual({ status: 400, type: 'invalid_request_error' });
    expect(fixture.grid.asked).toEqual([]);
  });

  it('that is too long is refused, whether it says so or not', async () => {
    const url = await fixture.open({ bodyBytes: 1000 });
    const body = chat({ pad: 'x'.repeat(2000) });
    for (const headers of [undefined, { 'transfer-encoding': 'chunked' }]) {
      const { status, error } = await fixture.ask(`${url}/v1/chat/completions`, body, headers);
      expect({ status, code: error.code }).toEqual({ status: 413, code: 'request_too_large' });
    }
  });

  it('is held to its key, and to what the gateway holds of all together', async () => {
    const url = await fixture.open({ heldBytes: 3000 });
    const { key } = await fixture.newKey({ bodyBytes: 1000 });
    const body = chat({ pad: 'x'.repeat(2000) });
    const by = { authorization: `Bearer ${key}` };
    expect(await fixture.ask(`${url}/v1/chat/completions`, body, by)).toMatchObject({ status: 413 });
    const head = deferred<AnswerHead>();
    fixture.grid.head = () => head.promise;
    const first = fixture.ask(`${url}/v1/chat/completions`, body);
    await fixture.grid.untilAsked(1);
    const refused = await fixture.ask(`${url}/v1/chat/completions`, body);
    expect(refused).toMatchObject({
      status: 429,
      error: { code: 'gateway_full' },
      headers: { 'retry-after': '1' },
    });
    head.resolve({ status: 200, contentType: 'application/json' });
    expect(await first).toMatchObject({ status: 200 });
    expect(await fixture.ask(`${url}/v1/chat/completions`, body)).toMatchObject({ status: 200 });
  });

  it('for a model that no machine could hold is told so, and not to ask again soon', async () => {
    const url = await fixture.open();
    const why = failure('rejected.impossible', 'no machine of this grid could hold it');
    fixture.grid.head = () => Promise.reject(new GridError(why));
    const answer = await fixture.ask(`${url}/v1/chat/completions`, chat());
    expect(answer).toMatchObject({ status: 503, error: { code: 'rejected.impossible' } });
    expect(answer.headers).not.toHaveProperty('retry-after');
  });

  it('for what is not there is told what is', async () => {
    const url = await fixture.open();
    expect(await fixture.ask(`${url}/v1/chat`, chat())).toMatchObject({
      status: 404,
      error: { code: 'unknown_url' },
    });
    expect(await fixture.ask(`${url}/v1/chat/completions`, undefined)).toMatchObject({ status: 405 });
  });

  it('for an unknown model names the nearest, in the words of the API that was asked', async () => {
    const url = await fixture.open();
    fixture.grid.refuses = new GridError(failure('rejected.not-found', 'no such model'));
    const { status, error } = await fixture.ask(`${url}/v1/chat/completions`, chat({ model: 'tinny' }));
    expect(status).toBe(404);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
    expect(error.message).toBe('there is no model tinny; did you mean tiny?');
    const { body } = await fixture.ask(`${url}/v1/messages`, chat({ model: 'tinny' }));
    expect(JSON.parse(body)).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  });

  it('that fails in the grid says by which failure, with an honest status', async () => {
    const url = await fixture.open();
    for (const [code, status] of [
      ['lost.worker', 502],
      ['unplaceable.timeout', 504],
      ['lost.broker', 503],
      ['rejected.limit', 429],
    ] as const) {
      fixture.grid.refuses = new GridError(failure(code, 'words'));
      expect(await fixture.ask(`${url}/v1/completions`, chat())).toMatchObject({
        status,
        error: { code, message: 'words' },
      });
    }
  });
});

describe('the models', () => {
  it('are listed and told one by one', async () => {
    const url = await fixture.open();
    const tiny = { id: 'tiny', object: 'model', created: 5, context_length: 512, ready: 1 };
    expect(JSON.parse((await fixture.ask(`${url}/v1/models`, undefined)).body)).toMatchObject({
      data: [tiny],
    });
    expect(JSON.parse((await fixture.ask(`${url}/v1/models/tiny`, undefined)).body)).toMatchObject(tiny);
    expect(await fixture.ask(`${url}/v1/models/tinny`, undefined)).toMatchObject({
      status: 404,
      error: { message: 'there is no model tinny; did you mean tiny?' },
    });
  });
});
