/** What of a request's body the gateway looks at, and what it says of what is absurd. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiError } from './api-error.ts';
import { HeldBodies } from './held-bodies.ts';
import { type QuestionBody, readQuestion } from './question-body.ts';

const server = createServer((request, answer) => {
  void read(request).then((found) => answer.end(JSON.stringify(found)));
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function read(request: IncomingMessage): Promise<object> {
  try {
    const { model, isStream }: QuestionBody = await readQuestion(request, 1e6, new HeldBodies(1e6).open('a'));
    return { model, isStream };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.problem;
  }
}

const sent = async (document: unknown): Promise<unknown> =>
  (await fetch(url, { method: 'POST', body: JSON.stringify(document) })).json();

describe('a question', () => {
  it.each([
    [{ model: 'tiny' }, false],
    [{ model: 'tiny', stream: true, max_tokens: -1, top_logprobs: 0 }, true],
    [{ model: 'tiny', stream: null, n: null, max_tokens: null }, false],
    [{ model: 'tiny', n: 1, best_of: 1, temperature: 'whatever the server says to it' }, false],
  ])('%j is passed on', async (document, isStream) => {
    expect(await sent(document)).toEqual({ model: 'tiny', isStream });
  });

  it.each([
    [{}, 'model'],
    [{ model: 'no such/name' }, 'model'],
    [{ model: 'tiny', n: 0 }, 'n'],
    [{ model: 'tiny', best_of: 1e6 }, 'best_of'],
    [{ model: 'tiny', max_tokens: 1.5 }, 'max_tokens'],
    [{ model: 'tiny', max_completion_tokens: -2 }, 'max_completion_tokens'],
    [{ model: 'tiny', max_output_tokens: '7' }, 'max_output_tokens'],
    [{ model: 'tiny', n_predict: 2 ** 22 }, 'n_predict'],
    [{ model: 'tiny', top_logprobs: 101 }, 'top_logprobs'],
    [{ model: 'tiny', stream: 'yes' }, 'stream'],
  ])('%j is refused for that field', async (document, param) => {
    expect(await sent(document)).toMatchObject({ status: 400, param });
  });

  it.each([[[]], ['text'], [7], [null]])('%j is no object', async (document) => {
    expect(await sent(document)).toMatchObject({ status: 400 });
  });
});
