/** The tiny models of testkit do with a real llama-server what tests need of them. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readModel } from '@gryphgen/runtime';
import { type TinyModel, tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { llamaEnvironment, llamaProgram } from './llama-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'gg-tiny-'));
const stops: (() => Promise<void>)[] = [];
/** For what hangs: a server starts and answers in a second. */
const patienceMs = 120_000;

afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  rmSync(folder, { recursive: true });
});

type Ask = (path: string, body: object) => Promise<Answer>;
interface Answer {
  readonly choices?: readonly {
    readonly finish_reason: string;
    readonly message: {
      readonly content: string;
      readonly tool_calls?: readonly { readonly function: object }[];
    };
  }[];
  readonly data?: readonly { readonly embedding: readonly number[] }[];
  readonly results?: readonly { readonly index: number; readonly relevance_score: number }[];
}

async function serve(name: string, { metadata, tensors }: TinyModel, ...options: string[]): Promise<Ask> {
  const model = join(folder, `${name}.gguf`);
  await writeGguf(model, metadata, tensors);
  expect(await readModel(model)).toMatchObject({ kind: 'read', model: { quantization: 'F16' } });
  const socketPath = join(folder, `${name}.sock`);
  const child = spawn(
    llamaProgram('llama-server'),
    [
      '-m',
      model,
      '--host',
      socketPath,
      '-c',
      '2048',
      '-np',
      '1',
      '-t',
      '1',
      '--no-ui',
      '--offline',
      ...options,
    ],
    { env: llamaEnvironment, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  stops.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.includes('listening on')) break;
  }
  if (child.exitCode !== null) throw new Error(said.join('\n'));
  child.stderr.resume();
  return (path, body) => post(socketPath, path, body);
}

async function post(socketPath: string, path: string, body: object): Promise<Answer> {
  const asked = request({
    socketPath,
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  asked.end(JSON.stringify(body));
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as Answer;
}

const user = (content: string) => ({
  messages: [{ role: 'user', content }],
  temperature: 0,
  max_tokens: 200,
});

it('have the same bytes on every machine', async () => {
  const path = join(folder, 'same.gguf');
  const { metadata, tensors } = tinyLlama();
  await writeGguf(path, metadata, tensors);
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  expect(digest).toBe('74fdd0fc3c3ea412279c22efeb519321517a45ae7e21d4e55772b621b0bfecd2');
});

describe('the chat model', () => {
  it(
    'says words, calls tools, and ends what JSON it begins',
    async () => {
      const ask = await serve('chat', tinyLlama(), '--jinja');
      const chat = '/v1/chat/completions';
      const [said, again] = [
        await ask(chat, user('What is a heartbeat?')),
        await ask(chat, user('What is a heartbeat?')),
      ];
      const words = said.choices?.[0]?.message.content ?? '';
      expect(words).toMatch(/^[\n\x20-\x7e]{20,}$/);
      expect(again.choices?.[0]?.message.content).toBe(words);

      const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
      const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
      const called = await ask(chat, { ...user('What is the weather like in Paris?'), tools });
      expect(called.choices?.[0]).toMatchObject({ finish_reason: 'tool_calls' });
      expect(called.choices?.[0]?.message.tool_calls?.[0]?.function).toMatchObject({ name: 'weather' });

      const format = { type: 'json_schema', json_schema: { name: 'place', schema: parameters } };
      const json = await ask(chat, { ...user('Where?'), response_format: format });
      expect(JSON.parse(json.choices?.[0]?.message.content ?? '')).toEqual({ city: expect.any(String) });
    },
    patienceMs,
  );
});

describe('the embedding model', () => {
  it(
    'has texts that share words nearer to each other',
    async () => {
      const ask = await serve('embed', tinyBert('embed'), '--embedding');
      const input = ['the worker sends a heartbeat', 'a heartbeat the worker sends', 'music in the garden'];
      const { data = [] } = await ask('/v1/embeddings', { input });
      const [one = [], same = [], other = []] = data.map(({ embedding }) => embedding);
      const cosine = (a: readonly number[], b: readonly number[]): number =>
        a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0) / Math.hypot(...a) / Math.hypot(...b);
      expect(cosine(one, same)).toBeGreaterThan(cosine(one, other) + 0.2);
    },
    patienceMs,
  );
});

describe('the ranking model', () => {
  it(
    'has a score for each document',
    async () => {
      const ask = await serve('rerank', tinyBert('rerank'), '--rerank');
      const { results = [] } = await ask('/v1/rerank', {
        query: 'heartbeat',
        documents: ['a river', 'the heartbeat'],
      });
      expect(results.map(({ index }) => index).sort()).toEqual([0, 1]);
      expect(new Set(results.map(({ relevance_score }) => relevance_score)).size).toBe(2);
    },
    patienceMs,
  );
});
