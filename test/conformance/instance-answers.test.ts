/** What a real llama-server answers through the calls of a worker: as results, and piece by piece to channels. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askModel, type Door, hereMark, KeptConnections, openDoor, systemClock } from '@gryphgen/runtime';
import { endProcesses, type Fence } from '@gryphgen/worker';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ChannelAsker } from './channel-asker.ts';
import { makePlace, type Place } from './executor-suite.ts';
import { asker, InstancePlace, tinyModel } from './instance-place.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let models: string;
let place: Place;
let life: InstancePlace;
let channels: ChannelAsker;
let chat: Fence;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gg-models-'));
  place = await makePlace();
  life = new InstancePlace(place);
  await life.executor.probe();
  await life.executor.adopt();
  const started = [];
  for (const use of ['infer', 'embed', 'rerank'] as const)
    started.push(life.start(await tinyModel(models, use), use));
  for (const fence of started) await life.ready(fence);
  chat = started[0] as Fence;
  channels = new ChannelAsker(life.channels);
  await channels.open(asker);
});

afterAll(async () => {
  await channels.close();
  await life.close();
  await place.logs.close();
  await endProcesses(place.folder);
  expect(await life.pids()).toEqual([]);
  await rm(place.folder, { recursive: true });
  await rm(models, { recursive: true });
});

/** No test leaves a slot taken. */
afterEach(() => slotsFree());

const chatPath = '/v1/chat/completions';
const saying = (content: string, more: object = {}) => ({
  ...{ messages: [{ role: 'user', content }], temperature: 0, max_tokens: 8 },
  ...more,
});
/** It takes seconds, and then its slot is full. */
const endless = { max_tokens: 4000, ignore_eos: true };

async function slotsFree(): Promise<void> {
  await expect
    .poll(async () => (await life.slots(chat)).map(({ is_processing }) => is_processing), { timeout: 20_000 })
    .toEqual([false, false]);
}

const count = (fence: Fence, kind: string) => channels.kindsOf(fence).filter((one) => one === kind).length;

describe('a result', () => {
  it('holds the answer, with its tokens and times', async () => {
    const result = await life.result(life.ask('infer', chatPath, saying('What is a heartbeat?')));
    const body = JSON.parse(result.body ?? '') as { usage: { prompt_tokens: number } };
    expect(result).toMatchObject({ status: 200, tokens: { output: 8, prompt: body.usage.prompt_tokens } });
    expect(body).toMatchObject({ model: 'infer', choices: [{ finish_reason: 'length' }] });
    expect(result.firstMs).toBeGreaterThan(0);
  });

  it('of an embedding and of a ranking are what the server says', async () => {
    const embedded = await life.result(life.ask('embed', '/v1/embeddings', { input: 'a heartbeat' }));
    expect(JSON.parse(embedded.body ?? '')).toMatchObject({ data: [{ embedding: expect.any(Array) }] });
    expect(embedded.tokens).toMatchObject({ prompt: expect.any(Number), output: 0 });
    const documents = ['a river', 'the heartbeat'];
    const ranked = await life.result(life.ask('rerank', '/v1/rerank', { query: 'heartbeat', documents }));
    expect(JSON.parse(ranked.body ?? '')).toMatchObject({ results: [{}, {}] });
  });

  it('of what the server refuses is its refusal', async () => {
    const long = saying('word '.repeat(9000));
    const result = await life.result(life.ask('infer', chatPath, long));
    expect(result.status).toBe(400);
    expect(result.body).toContain('exceed_context_size_error');
  });

  it('holds no stream, and no more than it may', async () => {
    const streamed = life.ask('infer', chatPath, saying('hi', { stream: true }));
    const { exit } = await life.answers.find('exited', streamed);
    expect(exit.failure).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining('stream'),
    });
    const input = Array.from({ length: 60 }, (_, nth) => `text ${nth}`);
    const long = await life.answers.find('exited', life.ask('embed', '/v1/embeddings', { input }));
    expect(long.exit.failure).toMatchObject({
      code: 'rejected.limit',
      message: expect.stringContaining('channel'),
    });
  });

  it('is of the kind that was asked', async () => {
    const { failure } = await life.answers.find('startFailed', life.ask('infer', '/v1/embeddings', {}));
    expect(failure.message).toMatch(
      /^body.path: \/v1\/embeddings is not what infer asks, expected \/v1\/chat/,
    );
  });
});

/** Of a slot that is lent to who is on this machine, when that waits for a question. */
async function openedDoor(fence: Fence) {
  const { channel } = channels;
  const { task, attempt } = fence;
  await channels.until(() => count(fence, 'want') === 1);
  const offered = channels.records.find((record) => record.task === task && record.kind === 'door');
  if (offered?.kind !== 'door') throw new Error('no door was offered');
  const opened = await openDoor(offered.door, { channel, task, attempt });
  if (opened === undefined) throw new Error('its door is not opened here');
  return opened;
}

/** `onHead`: it is answered. */
function askStraight(door: Door, kept: KeptConnections, asked: object, onHead: () => void = () => undefined) {
  const signal = new AbortController().signal;
  return askModel({
    ...{ door, kept, model: 'infer', path: chatPath, clock: systemClock, take: () => true, onHead, signal },
    request: Buffer.from(JSON.stringify(asked)),
  });
}

describe('an answer to a channel', () => {
  it('comes piece by piece, and the result tells its counts alone', async () => {
    const fence = life.ask('infer', chatPath, saying('hello', { stream: true }), channels.channel);
    const answer = await channels.answer(fence);
    expect(answer).toMatchObject({ status: 200, contentType: expect.stringContaining('text/event-stream') });
    expect(answer.text.match(/^data: /gm)?.length).toBeGreaterThan(8);
    expect(answer.text).toMatch(/data: \[DONE\]\s*$/);
    const pieces = channels.records.filter((record) => record.task === fence.task && record.kind === 'data');
    expect(pieces.length).toBeGreaterThan(1);
    const result = await life.result(fence);
    expect(result).toMatchObject({ status: 200, tokens: { output: 8 } });
    expect(result.body).toBeUndefined();
  });

  it('comes beside others of the same instance', async () => {
    const asked = ['one', 'two', 'three', 'four'].map((text) =>
      life.ask('infer', chatPath, saying(text, { stream: true, max_tokens: 50 }), channels.channel),
    );
    for (const fence of asked) {
      const { text } = await channels.answer(fence);
      expect(text).toMatch(/data: \[DONE\]\s*$/);
      expect(await life.result(fence)).toMatchObject({ status: 200, tokens: expect.anything() });
    }
  });

  it('is longer than a result can be', async () => {
    const input = Array.from({ length: 60 }, (_, nth) => `text ${nth}`);
    const { text } = await channels.answer(life.ask('embed', '/v1/embeddings', { input }, channels.channel));
    expect((JSON.parse(text) as { data: object[] }).data).toHaveLength(60);
  });

  it('that is stopped frees its slot', async () => {
    const fence = life.ask(
      'infer',
      chatPath,
      saying('go on', { ...endless, stream: true }),
      channels.channel,
    );
    await channels.until((records) =>
      records.some(({ task, kind }) => task === fence.task && kind === 'data'),
    );
    life.stopAsking('infer', fence);
    const { exit } = await life.answers.find('exited', fence);
    expect(exit).toMatchObject({ stopped: true });
    await slotsFree();
  });

  it('leaves its slot to who asked, who asks more there until it is given back', async () => {
    const { channel } = channels;
    // Who is elsewhere is offered no door.
    const elsewhere = { loan: true, door: '0'.repeat(64) } as const;
    const fence = life.ask('infer', chatPath, saying('one'), channel, elsewhere);
    await channels.askSlot(fence, saying('two', { stream: true }), 1);
    expect(count(fence, 'door')).toBe(0);
    await channels.askSlot(fence, { messages: 'none' }, 2);
    // What the server refuses is an answer, too.
    await channels.askSlot(fence, saying('three'), 3);
    await channels.until(() => count(fence, 'want') === 4);
    expect(count(fence, 'done')).toBe(4);
    const statuses = channels.records.flatMap((record) =>
      record.task === fence.task && record.kind === 'done' ? [record.result.status] : [],
    );
    expect(statuses).toEqual([200, 200, expect.any(Number), 200]);
    channels.tellSlot(fence, { kind: 'over', why: 'back' });
    expect(await life.result(fence)).toMatchObject({
      ...{ status: 200, questions: 4, tokens: { output: 24 }, outputMs: expect.any(Number) },
    });
    await channels.until(() => channels.kindsOf(fence).at(-1) === 'over');
  });

  it('of a slot that is lent is not cut when others wait for it, and is when nobody takes it', async () => {
    const long = { ...endless, stream: true };
    const fence = life.ask('infer', chatPath, saying('one'), channels.channel, { loan: true });
    await channels.askSlot(fence, saying('go on', long), 1);
    await channels.until(() => count(fence, 'head') === 2);
    channels.tellSlot(fence, { kind: 'leave' });
    await channels.until(() => count(fence, 'end') === 1);
    await channels.askSlot(fence, saying('two', { max_tokens: 1500, ignore_eos: true, stream: true }), 2);
    await channels.until(() => count(fence, 'head') === 3);
    life.recall('infer', fence);
    expect(await life.result(fence)).toMatchObject({ questions: 2 });
    await channels.until(() => channels.kindsOf(fence).at(-1) === 'over');
    expect(count(fence, 'done')).toBe(2);
    await slotsFree();
  });

  it('of a slot that is lent is lost with its attempt, and not cancelled by who asked', async () => {
    const fence = life.ask('infer', chatPath, saying('one'), channels.channel, { loan: true });
    await channels.askSlot(fence, saying('go on', { ...endless, stream: true }), 1);
    await channels.until(() => count(fence, 'head') === 2);
    life.stopAsking('infer', fence);
    await channels.until(() => count(fence, 'end') === 1);
    const ends = channels.records.filter(({ task, kind }) => task === fence.task && kind === 'end');
    expect(ends).toMatchObject([{ failure: { code: 'lost.worker' } }]);
  });

  it('leaves its slot to nobody where the broker knows of no loan', async () => {
    const { channel } = channels;
    for (const asked of [{}, { loan: true }, { attended: true }] as const) {
      const fence = life.ask('infer', chatPath, saying('one'), channel, { loan: true }, asked);
      expect((await life.result(fence)).questions).toBeUndefined();
      expect(count(fence, 'want')).toBe(0);
    }
  });

  it('leaves its slot to who is on this machine, who asks its server; of tokens that has counted what is believed', async () => {
    const { channel } = channels;
    const fence = life.ask('infer', chatPath, saying('one'), channel, { loan: true, door: hereMark() ?? '' });
    const opened = await openedDoor(fence);
    // What anybody could say opens nothing: it answers on.
    channels.tellSlot(fence, { kind: 'take', proof: '0'.repeat(64) });
    await channels.until(() => count(fence, 'want') === 2);
    channels.tellSlot(fence, { kind: 'take', proof: opened.proof });
    await channels.until(() => count(fence, 'given') === 1);
    const kept = new KeptConnections();
    const said = await askStraight(opened.door, kept, saying('two'));
    kept.close();
    if (said === 'left' || 'code' in said) throw new Error('it did not answer');
    expect(said).toMatchObject({ status: 200, tokens: { output: 8 } });
    const result = { ...said, questions: 1, tokens: { prompt: 9000, cached: 0, output: 9000 } };
    channels.tellSlot(fence, { kind: 'done', result });
    channels.tellSlot(fence, { kind: 'over', why: 'back' });
    expect(await life.result(fence)).toMatchObject({ questions: 2, tokens: { output: 16 } });
    await channels.until(() => channels.kindsOf(fence).at(-1) === 'over');
  });

  it('whose asker has left ends, and frees its slot; one that was taken, too', async () => {
    const taken = life.ask('infer', chatPath, saying('one'), channels.channel, {
      ...{ loan: true, door: hereMark() ?? '' },
    });
    const opened = await openedDoor(taken);
    channels.tellSlot(taken, { kind: 'take', proof: opened.proof });
    await channels.until(() => count(taken, 'given') === 1);
    const kept = new KeptConnections();
    let tellBegun: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      tellBegun = resolve;
    });
    const stream = saying('two', { ...endless, stream: true });
    const straight = askStraight(opened.door, kept, stream, tellBegun);
    await begun;
    const fence = life.ask(
      'infer',
      chatPath,
      saying('go on', { ...endless, stream: true }),
      channels.channel,
    );
    await channels.until((records) =>
      records.some(({ task, kind }) => task === fence.task && kind === 'data'),
    );
    await channels.leave();
    const { exit } = await life.answers.find('exited', fence);
    expect(exit.failure).toMatchObject({ code: 'lost.link' });
    expect(await life.result(taken)).toMatchObject({ questions: 1 });
    // As the end of its process would.
    kept.close();
    expect(await straight).toMatchObject({ code: 'execution.model' });
  });
});
