/** The gateway of `grid up` before a real grid with tiny models, asked by OpenAI's client. */
import { join } from 'node:path';
import type { ModelDocument } from '@gryphgen/protocol';
import { tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { openaiAt, openaiSuite } from '../conformance/openai-suite.ts';
import { GridFixture } from './cli-grid.fixture.ts';
import { daemonsOf, llamaServersOf, slotsInUse } from './llama-servers.ts';

const grid = new GridFixture();
let gateway = '';
let apiKey = '';

const place = (key = apiKey) => ({ baseURL: `${gateway}/v1`, apiKey: key });
const newKey = (...flags: string[]) => grid.json<{ id: string; key: string }>('key', 'create', ...flags);

beforeAll(async () => {
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  ({ gateway } = await grid.json<{ gateway: string }>('up', '--detach'));
  const files = { tiny: tinyLlama(), embed: tinyBert('embed'), rank: tinyBert('rerank') };
  for (const [name, { metadata, tensors }] of Object.entries(files)) {
    await writeGguf(join(grid.home, `${name}.gguf`), metadata, tensors);
    const { code, stderr } = await grid.grid('models', 'add', name, `${name}.gguf`, '--ctx', '512');
    expect(code, stderr).toBe(0);
  }
  apiKey = (await newKey('--scope', 'infer,embed,rerank,models,metrics')).key;
});
afterAll(() => grid.stop());

openaiSuite(place);

const chat = { model: 'tiny', messages: [{ role: 'user' as const, content: 'Hello' }], max_tokens: 4 };

it('a request is its key’s principal’s, and is explained by its id', async () => {
  const { response } = await openaiAt(place()).chat.completions.create(chat).withResponse();
  const id = response.headers.get('x-request-id') ?? '';
  const [admin] = (await grid.json<{ id: string; role: string }[]>('principal', 'ls')).filter(
    ({ role }) => role === 'admin',
  );
  const task = id.replace(/-.*/, '');
  expect(await grid.json('show', task)).toMatchObject({ id: task, kind: 'infer', principal: admin?.id });
  expect((await grid.grid('explain', id)).code).toBe(0);
});

it('a request that no task’s body holds reaches the model', async () => {
  const { choices } = await openaiAt(place()).chat.completions.create({
    ...chat,
    user: 'x'.repeat(2_000_000),
  });
  expect(choices).toHaveLength(1);
  const { key } = await newKey('--name', 'small', '--max-body', '1MiB');
  const refused = openaiAt(place(key)).chat.completions.create({ ...chat, user: 'x'.repeat(2_000_000) });
  await expect(refused).rejects.toMatchObject({ status: 413 });
});

it('documents are ranked, and Anthropic’s messages answered, in their own words', async () => {
  const asked = { model: 'rank', query: 'heartbeat', documents: ['a river', 'the heartbeat'] };
  const { results } = (await (await post('/v1/rerank', asked)).json()) as { results: unknown[] };
  expect(results).toHaveLength(2);
  const said = await post('/v1/messages', { ...chat, stream: true });
  expect(said.headers.get('content-type')).toContain('text/event-stream');
  expect(await said.text()).toMatch(/event: message_start\n[\s\S]*event: message_stop\n/);
  const unknown = await post('/v1/messages', { ...chat, model: 'huge' });
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ type: 'error', error: { message: expect.any(String) } });
  // A model is asked for what it is for.
  const wrong = await post('/v1/embeddings', { model: 'tiny', input: 'x' });
  expect({ status: wrong.status, body: await wrong.json() }).toMatchObject({ status: 400 });
});

it('a key that is revoked is refused from the next request on', async () => {
  const { id, key } = await newKey('--name', 'short', '--concurrent', '1');
  const client = openaiAt(place(key));
  expect((await client.chat.completions.create(chat)).choices).toHaveLength(1);
  expect((await grid.grid('key', 'revoke', id)).code).toBe(0);
  await expect(client.chat.completions.create(chat)).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
});

it('asked again and again, answers from slots that are lent, by their server, and says in which task that was', async () => {
  let ids: (string | null)[] = [];
  do {
    const asked = await Promise.all(Array.from({ length: 8 }, () => post('/v1/chat/completions', chat)));
    ids = asked.map(({ status, headers }) => (status === 200 ? headers.get('x-request-id') : null));
    expect(ids).not.toContain(null);
    await Promise.all(asked.map((answer) => answer.json()));
  } while (!ids.some((id) => id?.includes('-')) || !straight.test(await counted()));
  const lent = ids.find((id) => id?.includes('-')) ?? '';
  expect(lent).toMatch(/^e[0-9]+\.[0-9]+-[0-9]+$/);
  const { code, stdout } = await grid.grid('explain', lent);
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(lent.replace(/-.*/, '')),
  });
});

it('streams of an instance that is killed end in words, and those that wait go on', async () => {
  const client = openaiAt(place());
  await client.chat.completions.create(chat);
  const killServers = () => kill(llamaServersOf(grid.home));
  // On a busy machine the one that began may have ended before the signal comes, and no other begun.
  let told = await endsOf(client, killServers);
  if (told.every((end) => end === 'whole')) told = await endsOf(client, killServers);
  expect(new Set(told).size).toBeGreaterThan(1);
  expect(told).toContain('whole');
  expect(told.filter((end) => !honest.test(end))).toEqual([]);
  expect((await client.chat.completions.create(chat)).choices).toHaveLength(1);
});

it('streams of a worker that is killed end in words or go on, its server is the next one’s, and all slots are there again', async () => {
  const client = openaiAt(place());
  await client.chat.completions.create(chat);
  const told = await endsOf(client, () => kill(daemonsOf(grid.home, 'worker')));
  expect(told.filter((end) => !honest.test(end))).toEqual([]);
  await nothingRunsOn();
  expect(new Set(await endsOf(client, () => undefined))).toEqual(new Set(['whole']));
  // What runs is known, so it was adopted or has ended.
  const ready = async () =>
    (await modelsOf()).flatMap(({ instances }) => instances.filter(({ state }) => state === 'ready')).length;
  await expect
    .poll(async () => llamaServersOf(grid.home).length - (await ready()), { timeout: 60_000 })
    .toBe(0);
}, 180_000);

it('of a gateway that is killed nothing runs on', async () => {
  const client = openaiAt(place());
  await client.chat.completions.create(chat);
  const told = await endsOf(client, () => kill(daemonsOf(grid.home, 'gateway')));
  expect(told).toContain('cut');
  expect(told.filter((end) => !/^(whole|cut)$/.test(end))).toEqual([]);
  await nothingRunsOn();
  await expect.poll(isUp, { timeout: 60_000 }).toBe(true);
  expect(new Set(await endsOf(client, () => undefined))).toEqual(new Set(['whole']));
}, 180_000);

/** Of a stream that ends. */
const honest = /^(whole|lost\.|execution\.)/;

/** How 32 streams end, the first of which is under way when `act` is called. `cut`: without a word. */
async function endsOf(client: OpenAI, act: () => void): Promise<readonly string[]> {
  const began = deferred();
  const ends = Array.from({ length: 32 }, async () => {
    try {
      // Until its slot is full.
      const long = { ...chat, max_tokens: 480, ignore_eos: true, stream: true as const };
      for await (const _ of await client.chat.completions.create(long)) began.resolve();
      return 'whole';
    } catch (error) {
      return error instanceof OpenAI.APIError && error.code ? String(error.code) : 'cut';
    }
  });
  await began.promise;
  act();
  return await Promise.all(ends);
}

function kill(pids: readonly number[]): void {
  expect(pids).not.toEqual([]);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

/** At the broker, and at the models' servers. */
async function nothingRunsOn(): Promise<void> {
  await expect.poll(underWay, { timeout: 60_000 }).toEqual([]);
  const inUse = async () => await Promise.all(llamaServersOf(grid.home).map(slotsInUse));
  await expect
    .poll(async () => (await inUse()).filter((count) => count > 0), { timeout: 60_000 })
    .toEqual([]);
}

/** What the broker has under way for who asks models: tasks that have not ended, and slots that are lent to any. */
async function underWay(): Promise<readonly unknown[]> {
  const tasks = await grid.json<readonly { id: string; kind: string }[]>('ps');
  const busy = (await modelsOf()).filter(({ instances }) => instances.some((instance) => instance.busy > 0));
  return [
    ...tasks.filter(({ kind }) => kind === 'infer').map(({ id }) => id),
    ...busy.map(({ name }) => name),
  ];
}

const modelsOf = () => grid.json<readonly ModelDocument[]>('models', 'ls');

async function isUp(): Promise<boolean> {
  try {
    return (await fetch(`${gateway}/health`)).ok;
  } catch {
    return false;
  }
}

it('counts what was asked, and holds nothing when all has ended', async () => {
  const text = await counted();
  expect(text).toMatch(/gryphgen_gateway_tokens_total\{model="tiny",kind="output"\} [1-9]/);
  // This request.
  expect(text).toContain('gryphgen_gateway_open_requests 1\n');
});

/** Answers for which the gateway asked the model's server itself. */
const straight = /gryphgen_gateway_answers_total\{way="straight"\} [1-9]/;

async function counted(): Promise<string> {
  const asked = await fetch(`${gateway}/metrics`, { headers: { authorization: `Bearer ${apiKey}` } });
  return await asked.text();
}

function post(path: string, body: object): Promise<Response> {
  const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
  return fetch(gateway + path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
