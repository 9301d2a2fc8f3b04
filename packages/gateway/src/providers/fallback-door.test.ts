/** Models that others have too: the gateway at a real socket, before a grid that a test plays and peers that replay. */
import { text } from 'node:stream/consumers';
import { failure, GridError } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { chat, GatewayFixture } from '../gateway.fixture.ts';
import { FallbackDoor } from './fallback-door.ts';
import { Provider, type ProviderOptions } from './provider.ts';
import {
  chatAnswer,
  chatStream,
  messageStream,
  type Replayed,
  ReplayedPeer,
  refused,
} from './replayed-peer.fixture.ts';

const fixture = new GatewayFixture();
const secret = 'sk-do-not-tell';
const log = createLog({ daemon: 'gateway', level: 'silent' });
let first: ReplayedPeer;
let second: ReplayedPeer;
let url: string;

async function peer(name: string, more: Partial<ProviderOptions> = {}): Promise<[ReplayedPeer, Provider]> {
  const played = new ReplayedPeer();
  const options = {
    name,
    api: 'openai' as const,
    url: await played.start(),
    key: secret,
    timeoutMs: 20_000,
    ...more,
  };
  fixture.onEnd(() => played.stop());
  return [played, new Provider(options, { clock: systemClock, alarms: systemAlarms })];
}

async function open(more: Partial<ProviderOptions> = {}): Promise<void> {
  const [one, lab] = await peer('lab', more);
  const [two, claude] = await peer('claude', { api: 'anthropic' });
  [first, second] = [one, two];
  const models = new Map([
    ['tiny', [{ provider: lab, model: 'gpt-large' }]],
    [
      'large',
      [
        { provider: lab, model: 'gpt-large' },
        { provider: claude, model: 'claude-large' },
      ],
    ],
  ]);
  fixture.door = new FallbackDoor({ grid: fixture.grid, models, clock: systemClock, log });
  url = await fixture.open();
}

beforeEach(() => open());

const without = () => {
  fixture.grid.refuses = new GridError(failure('rejected.not-found', 'no such model'));
};
const ask = (model = 'large', more = {}, path = '/v1/chat/completions') =>
  fixture.ask(url + path, chat({ model, ...more }));

describe('a model that others have', () => {
  it('is asked in the grid, as long as that answers', async () => {
    expect(await ask('tiny')).toMatchObject({ status: 200, body: '{"ok":true}' });
    expect(first.asked).toEqual([]);
  });

  it('is asked there by its name there, with their key, where the grid has it not or cannot', async () => {
    for (const code of [
      'rejected.not-found',
      'unplaceable.timeout',
      'lost.broker',
      'execution.model',
    ] as const) {
      fixture.grid.refuses = new GridError(failure(code, 'words'));
      first.answers = [chatAnswer];
      expect(await ask('tiny', { temperature: 0 })).toMatchObject({
        status: 200,
        body: chatAnswer.pieces.join(''),
      });
    }
    expect(first.asked).toHaveLength(4);
    expect(first.asked[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${secret}` },
      body: { model: 'gpt-large', temperature: 0 },
    });
  });

  it('stays refused where the grid refuses the question, or its asker', async () => {
    for (const [code, status] of [
      ['rejected.limit', 429],
      ['rejected.forbidden', 403],
      ['rejected.invalid', 400],
    ] as const) {
      fixture.grid.refuses = new GridError(failure(code, 'words'));
      expect(await ask('tiny')).toMatchObject({ status });
    }
    expect(first.asked).toEqual([]);
  });

  it('comes as a stream, piece by piece', async () => {
    without();
    first.answers = [chatStream];
    const answer = await fixture.begin(`${url}/v1/chat/completions`, chat({ model: 'large', stream: true }));
    expect(answer.headers['content-type']).toContain('text/event-stream');
    expect(await text(answer)).toBe(chatStream.pieces.join(''));
  });

  it('is asked by Anthropic’s API of who has that, with its headers', async () => {
    without();
    second.answers = [messageStream];
    const { status, body } = await ask('large', { stream: true, max_tokens: 9 }, '/v1/messages');
    expect({ status, body }).toEqual({ status: 200, body: messageStream.pieces.join('') });
    expect(second.asked[0]).toMatchObject({
      path: '/v1/messages',
      headers: { 'x-api-key': secret, 'anthropic-version': '2023-06-01' },
      body: { model: 'claude-large', max_tokens: 9 },
    });
    expect(first.asked).toEqual([]);
  });

  it('is listed beside those of the grid', async () => {
    const { body } = await fixture.ask(`${url}/v1/models`, undefined);
    expect(JSON.parse(body)).toMatchObject({
      data: [
        { id: 'tiny', ready: 1 },
        { id: 'large', owned_by: 'lab' },
      ],
    });
    expect(await fixture.ask(`${url}/v1/models/large`, undefined)).toMatchObject({ status: 200 });
  });
});

describe('a provider', () => {
  it('that has trouble is asked once more, and then the next is', async () => {
    without();
    first.answers = [refused(503, 'busy'), chatAnswer];
    expect(await ask()).toMatchObject({ status: 200 });
    first.answers = [refused(503, 'busy'), refused(429, 'slowly')];
    second.answers = [chatAnswer];
    expect(await ask()).toMatchObject({ status: 200 });
    expect(second.asked[0]).toMatchObject({ headers: { authorization: `Bearer ${secret}` } });
    const unavailable = await ask();
    expect(unavailable).toMatchObject({ status: 502, error: { message: 'claude: it answered 500' } });
  });

  it('that refuses the question is heard, and one that refuses its key is not', async () => {
    without();
    first.answers = [refused(400, 'too long')];
    expect(await ask()).toMatchObject({ status: 400, error: { message: 'too long' } });
    first.answers = [refused(401, `the key ${secret} is none`)];
    second.answers = [refused(403, 'no')];
    const { status, body } = await ask();
    expect(status).toBe(502);
    expect(body).toContain('claude: it refuses the key that it is asked with (403)');
    expect(body).not.toContain(secret);
  });

  it('that fails again and again is asked no more for a while', async () => {
    without();
    for (let nth = 0; nth < 3; nth++) expect(await ask('tiny')).toMatchObject({ status: 502 });
    const asked = first.asked.length;
    expect(asked).toBe(3);
    expect(await ask('tiny')).toMatchObject({
      status: 502,
      error: { message: expect.stringContaining('failed too often lately') },
    });
    expect(first.asked).toHaveLength(asked);
  });

  it('that breaks off in a stream has it end in words', async () => {
    without();
    first.answers = [{ ...chatStream, pieces: chatStream.pieces.slice(0, 1), ends: 'broken' }];
    const answer = await fixture.begin(`${url}/v1/chat/completions`, chat({ model: 'large', stream: true }));
    expect(await text(answer)).toMatch(/^data: .*\n\nevent: error\ndata: .*"code":"lost.link"/);
    expect(second.asked).toEqual([]);
  });

  it('that is silent is given up', async () => {
    await open({ timeoutMs: 100 });
    without();
    const silent: Replayed = { ...chatStream, pieces: [], ends: 'silent' };
    first.answers = [silent, silent];
    const answer = await fixture.begin(`${url}/v1/chat/completions`, chat({ model: 'tiny', stream: true }));
    expect(await text(answer)).toContain('lab: nothing came for 0.1 s');
  });
});
