/** Models as a person has them: added from a file, loaded when asked for, talked with, removed. llama-server is real. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type Client, connect, modelNamed } from '@gryphgen/client';
import { tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { type Ended, GridFixture } from './cli-grid.fixture.ts';

const grid = new GridFixture();
const contextTokens = 512;

beforeAll(async () => {
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
  // One that ends before its first word has counts of nothing: this one does not.
  const llama = tinyLlama({ endBias: -100 });
  // It never comes to an end by itself, and takes its time.
  const endless = tinyLlama({ endBias: -100, layers: 24, feedForward: 1024 });
  const [embed, rerank] = [tinyBert('embed'), tinyBert('rerank')];
  for (const [name, model] of Object.entries({
    tiny: llama,
    endless,
    words: embed,
    'words-reranker': rerank,
  }))
    await writeGguf(join(grid.home, `${name}.gguf`), model.metadata, model.tensors);
  for (const args of [
    ['tiny', 'tiny.gguf', '--ctx', `${contextTokens}`, '--slots', '2'],
    ['endless', 'endless.gguf', '--slots', '1'],
    ['words', 'words.gguf'],
    ['ranks', 'words-reranker.gguf'],
  ])
    expect(await grid.grid('models', 'add', ...args)).toMatchObject({ code: 0 });
}, 120_000);

afterAll(() => grid.stop());

interface Shown {
  readonly name: string;
  readonly use: string;
  readonly instances: readonly { readonly state: string; readonly worker: string }[];
}

interface Asked {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly attempts: number;
}

interface Inferred {
  readonly text: string;
  readonly task: string;
  readonly tokens: { readonly prompt: number; readonly cached: number; readonly output: number };
}

const infer = (...args: string[]) => grid.json<Inferred>('infer', ...args);

async function chat(input: string, ...args: string[]): Promise<Ended> {
  const running = grid.open('chat', ...args);
  running.child.stdin.end(input);
  return await running.end();
}

const turnsIn = ({ stdout }: Ended) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Inferred);

describe('a model', () => {
  it('is listed by what its file says of it, and is not loaded', async () => {
    const models = await grid.json<readonly Shown[]>('models', 'ls');
    expect(models.map(({ name, use, instances }) => [name, use, instances.length])).toEqual([
      ['tiny', 'infer', 0],
      ['endless', 'infer', 0],
      ['words', 'embed', 0],
      ['ranks', 'rerank', 0],
    ]);
    expect((await grid.grid('engine', 'ls')).stdout).toMatch(/forge +llama-server .*cpu/);
  });

  it('has a place before it is loaded, and its file before it is added', async () => {
    for (const named of ['tiny', 'tiny.gguf']) {
      const plan = await grid.json<{ workers: readonly { kind: string; name: string }[] }>(
        'models',
        'plan',
        named,
      );
      expect(plan.workers).toMatchObject([{ name: 'forge', kind: 'host' }]);
    }
  });

  it('is loaded when it is asked, answers as it comes, and is told with its counts', async () => {
    const { text, tokens, task } = await infer('tiny', 'Hello', '--max-tokens', '8');
    expect(text).not.toBe('');
    expect(tokens.output).toBeLessThanOrEqual(8);
    expect(task).toMatch(/^e/);
    const { instances } = await grid.json<Shown>('models', 'ls', 'tiny');
    expect(instances).toMatchObject([{ state: 'ready' }]);
    const raw = await grid.grid('infer', 'tiny', 'Hello', '--max-tokens', '3', '--raw');
    expect(raw.stdout).toMatch(/^data: \{.*\ndata: \[DONE\]\n/s);
  });

  it('is talked with: what was said before is part of what is asked, until it is reset', async () => {
    const ended = await chat('Hi\nHi\n/reset\nHi\n', 'tiny', '--max-tokens', '6', '--json');
    const [first, second, third, ...more] = turnsIn(ended).map(({ tokens }) => tokens.prompt);
    expect(more).toEqual([]);
    expect(second).toBeGreaterThan(first ?? 0);
    expect(third).toBe(first);
    expect(
      (await chat('Hi\n/exit\nHi\n', 'tiny', '--max-tokens', '6', '--json')).stdout.split('\n'),
    ).toHaveLength(2);
  });

  it('is who a chat is with where it alone is ready, and nobody was named', async () => {
    const ended = await chat('Hi\n', '--max-tokens', '6', '--json');
    expect(turnsIn(ended)).toHaveLength(1);
  });

  it('is loaded ahead, and unloaded, by order', async () => {
    expect(await grid.json('models', 'pull', 'words')).toMatchObject({ instances: [{ state: 'ready' }] });
    await grid.grid('models', 'stop', 'words');
    const loaded = async () => (await grid.json<Shown>('models', 'ls', 'words')).instances.length;
    await expect.poll(loaded, { timeout: 20_000 }).toBe(0);
  });
});

describe('a task file', () => {
  it('asks for embeddings, and has them as its result', async () => {
    grid.file('embed.yaml', 'kind: embed\nmodel: words\ninput: [the queue, a summer]\n');
    expect((await grid.grid('submit', 'embed.yaml', '--wait')).stdout).toBe('2 embeddings of 128 numbers\n');
    const task = await grid.json<{
      id: string;
      answer: { body: { data: readonly { embedding: number[] }[] } };
    }>(...['submit', 'embed.yaml', '--wait']);
    expect(task.answer.body.data.map(({ embedding }) => embedding.length)).toEqual([128, 128]);
    expect((await grid.grid('show', task.id)).stdout).toContain('2 embeddings of 128 numbers');
  });

  it('ranks, and writes', async () => {
    grid.file('rerank.yaml', 'kind: rerank\nmodel: ranks\nquery: queue\ndocuments: [summer, the queue]\n');
    const ranked = await grid.grid('submit', 'rerank.yaml', '--wait');
    expect(ranked.stdout.split('\n')).toHaveLength(3);
    grid.file('infer.yaml', 'kind: infer\nmodel: tiny\nprompt: Hello\nmaxTokens: 5\n');
    expect((await grid.grid('run', 'infer.yaml')).stdout.trim()).not.toBe('');
  });

  it('that the server refuses ends with its words', async () => {
    grid.file('bad.yaml', 'kind: infer\nmodel: tiny\nrequest: { messages: 5 }\n');
    const { code, stderr } = await grid.grid('submit', 'bad.yaml', '--wait');
    expect(stderr).toContain("tiny answers 400: Expected 'messages' to be an array");
    expect(code).toBe(1);
  });
});

it('a plan says how fast it was there', async () => {
  await infer('tiny', 'Hello', '--max-tokens', '12');
  const { workers } = await grid.json<{ workers: readonly object[] }>('models', 'plan', 'tiny');
  const measured = { value: expect.any(Number), from: 'measured' };
  expect(workers).toMatchObject([{ tokensPerS: measured, loadMs: measured }]);
});

describe('settings', () => {
  const loaded = async () =>
    (await grid.json<readonly { kind: string }[]>('ps')).filter(({ kind }) => kind === 'instance').length;
  const tune = (name: string, ...shape: string[]) =>
    grid.json<object>('tune', name, '--trials', '3', '--prompt-tokens', '64', '--load', '2', ...shape);
  const measured = (speeds: object) => ({
    workers: [
      {
        workerName: 'forge',
        devices: [],
        trials: expect.arrayContaining([expect.objectContaining({ ...speeds, rounds: 3 })]),
      },
    ],
    failed: [],
  });
  const number = expect.any(Number);
  const asked = async (work: (client: Client) => Promise<unknown>) => {
    const client = await connect({ home: grid.home });
    try {
      await work(client);
    } finally {
      await client.close();
    }
  };

  it('are measured where it runs, each by an instance of its own, of which nothing is left', async () => {
    // On a machine this small what others have loaded leaves no room.
    await asked(async (client) => {
      for (const { name } of await client.request('models', {}))
        await client.request('unloadModel', { name });
    });
    await expect.poll(loaded, { timeout: 30_000 }).toBe(0);
    const written = measured({ promptTokensPerS: number, outputTokensPerS: number });
    expect(await tune('tiny', '--output-tokens', '8')).toMatchObject(written);
    expect(await loaded()).toBe(0);
    expect((await grid.json<readonly Shown[]>('models', 'ls')).map(({ name }) => name)).toHaveLength(4);
  });

  it.each(['words', 'ranks'])('are measured of %s, which reads and does not write', async (name) => {
    const read = measured({ promptTokensPerS: number, requestMs: number, outputTokensPerS: 0 });
    expect(await tune(name, '--texts', '2')).toMatchObject(read);
    expect(await loaded()).toBe(0);
  });

  it('that are kept are those of the next instance, until they are forgotten', async () => {
    const speeds = { roundMs: 10, promptTokensPerS: 100, outputTokensPerS: 10 };
    await asked(async (client) => {
      const { serving } = modelNamed(await client.request('models', {}), 'tiny');
      const best = {
        ...serving,
        slots: 1,
        threads: 1,
        batchTokens: 2048,
        microBatchTokens: 256,
        flashAttention: true,
      };
      const found = {
        devices: [],
        serving: best,
        best: speeds,
        untuned: { ...speeds, roundMs: 20 },
        load: 2,
        trials: 3,
      };
      await client.request('tuneModel', { name: 'tiny', worker: 'forge', found });
    });
    expect((await grid.grid('tune', 'tiny', '--show')).stdout).toMatch(
      /forge +host +\+50 %.*batch 2048\/256/,
    );
    const { instances } = await grid.json<{ instances: readonly object[] }>('models', 'pull', 'tiny');
    const words = expect.stringContaining('tuned: 1 slot, 1 thread, batch 2048/256, flash attention on');
    expect(instances).toMatchObject([{ state: 'ready', slots: 1, words }]);
    expect((await infer('tiny', 'Hello', '--max-tokens', '3')).text).not.toBe('');
    expect((await grid.grid('models', 'ls', 'tiny')).stdout).toContain('50 % sooner');
    expect((await grid.grid('tune', 'tiny', '--forget')).stdout).toContain('nothing is kept');
  });

  it('are not measured of what cannot be: it is said what could', async () => {
    expect((await grid.grid('tune', 'tinny')).stderr).toContain('did you mean tiny?');
    const { code, stderr } = await grid.grid('tune', 'words', '--output-tokens', '64');
    expect([code, stderr]).toEqual([2, expect.stringContaining('words is a model that embeds')]);
  });
});

it('an engine is added while the worker runs, and removed', async () => {
  const other = join(grid.home, 'other/llama-server');
  mkdirSync(dirname(other));
  const program = llamaProgram('llama-server');
  writeFileSync(other, `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
  const there = async () =>
    (await grid.json<readonly { engines: readonly object[] }[]>('engine', 'ls')).flatMap(
      ({ engines }) => engines,
    );
  expect(await there()).toHaveLength(1);
  expect(await grid.json('engine', 'add', other)).toMatchObject({ name: 'other', path: other });
  await expect.poll(there, { timeout: 25_000 }).toHaveLength(2);
  expect((await grid.grid('engine', 'rm', 'other')).code).toBe(0);
  await expect.poll(there, { timeout: 25_000 }).toHaveLength(1);
});

it('a model comes from an address, by its digest', async () => {
  const bytes = readFileSync(join(grid.home, 'tiny.gguf'));
  const server = createServer((_, response) => void response.end(bytes)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/brought.gguf`;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const other = await grid.grid('models', 'add', 'brought', address, '--sha256', '0'.repeat(64));
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining(`has the sha-256 ${sha256}`) });
  const added = await grid.grid('models', 'add', 'brought', address, '--sha256', sha256);
  server.close();
  expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('brought is there, for infer') });
  // It is at the grid: nothing of it stays here.
  const left = readdirSync(join(grid.home, 'downloads'), { withFileTypes: true });
  expect(left.filter((entry) => entry.isDirectory())).toEqual([]);
  expect((await grid.grid('models', 'rm', 'brought')).code).toBe(0);
});

describe('what cannot be', () => {
  it('a name of no model: the nearest is named', async () => {
    const { code, stderr } = await grid.grid('infer', 'tinny', 'Hello');
    expect(stderr).toContain('no model "tinny"');
    expect(stderr).toContain('tiny');
    expect(code).toBe(3);
    expect((await chat('Hi\n', 'tinny')).stderr).toContain('did you mean tiny?');
  });

  it('another use than it is for', async () => {
    expect((await grid.grid('infer', 'words', 'Hello')).stderr).toContain('is for embed');
    expect((await chat('Hi\n', 'words')).stderr).toContain('does not write');
  });

  it('a longer prompt than it has room for: both are told', async () => {
    const { code, stderr } = await grid.grid('infer', 'tiny', 'word '.repeat(2 * contextTokens));
    expect(stderr).toMatch(/the conversation has [0-9]+ tokens, and tiny has room for 512/);
    expect(code).toBe(2);
  });
});

function workerOf(): number {
  const { pid } = JSON.parse(readFileSync(join(grid.home, 'up.json'), 'utf8')) as { pid: number };
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  const worker = children.find((child) =>
    readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').includes('worker'),
  );
  if (worker === undefined) throw new Error('there is no worker');
  return worker;
}

it('a worker that is killed in the middle of an answer: the answer says so at once, and the next one comes', async () => {
  const asking = grid.start('infer', 'endless', 'Hello');
  await asking.said(' ');
  process.kill(workerOf(), 'SIGKILL');
  const { code, stdout, stderr } = await asking.end();
  expect(stdout.length).toBeGreaterThan(0);
  expect(stderr).toMatch(/\(lost\.(link|worker)\)/);
  expect(code).toBe(1);
  const { text } = await infer('endless', 'Hello', '--max-tokens', '3');
  expect(text).not.toBe('');
});

it('Ctrl-C ends the answer, and frees its slot for the next', async () => {
  const asking = grid.start('infer', 'endless', 'Hello');
  await asking.said(' ');
  asking.child.kill('SIGINT');
  expect((await asking.end()).code).toBe(130);
  const { text } = await infer('endless', 'Hello', '--max-tokens', '3');
  expect(text).not.toBe('');
});

it('who asked is killed: the question ends, and is not asked a second time', async () => {
  const asking = grid.start('infer', 'endless', 'Hello');
  await asking.said(' ');
  const underWay = async () =>
    (await grid.json<readonly Asked[]>('ps')).filter(({ kind }) => kind === 'infer').map(({ id }) => id);
  const [id = ''] = await underWay();
  asking.child.kill('SIGKILL');
  const shown = async () => {
    const { state, attempts } = await grid.json<Asked>('show', id);
    return { state, attempts };
  };
  await expect.poll(shown, { timeout: 30_000 }).toEqual({ state: 'cancelled', attempts: 1 });
  expect(await underWay()).toEqual([]);
});

it('a model that is removed is no more, nor what was loaded of it', async () => {
  expect((await grid.grid('models', 'rm', 'endless')).stdout).toBe('endless is removed\n');
  expect((await grid.grid('infer', 'endless', 'Hello')).code).toBe(3);
  const again = await grid.grid('models', 'rm', 'endless');
  expect([again.code, again.stderr]).toEqual([3, expect.stringContaining('there is no model "endless"')]);
  const instances = async () =>
    (await grid.json<readonly { kind: string; name: string }[]>('ps')).filter(
      ({ kind, name }) => kind === 'instance' && name === 'endless',
    );
  await expect.poll(instances, { timeout: 20_000 }).toEqual([]);
});
