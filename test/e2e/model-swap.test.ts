/**
 * Three models where two have room, all asked without a pause: each has its turns, none waits without a bound, and nothing is
 * left of any. How long it goes on is GRID_SWAP_S (scripts/soak.sh sets it).
 */
import { join } from 'node:path';
import { type Client, connect, Inference } from '@gryphgen/client';
import { GridError, type TaskDocument, type TaskId } from '@gryphgen/protocol';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { GridFixture } from './cli-grid.fixture.ts';

const models = ['one', 'two', 'three'];
const lengthMs = 1000 * Number(process.env.GRID_SWAP_S ?? 75);
/** A turn is half a minute (broker/core/models/evicting.ts); on the machine of a test a load takes seconds. */
const turnMs = 30_000;
const longestMs = turnMs + 60_000;

const grid = new GridFixture();
let client: Client;
let inference: Inference;

beforeAll(async () => {
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  const { code, stderr } = await grid.grid('up', '--detach');
  if (code !== 0) throw new Error(stderr);
  const { metadata, tensors } = tinyLlama();
  await writeGguf(join(grid.home, 'tiny.gguf'), metadata, tensors);
  // On a host each takes half of the processors: there is room for two, whatever the machine.
  for (const name of models) expect((await grid.grid('models', 'add', name, 'tiny.gguf')).code).toBe(0);
  client = await connect({ home: grid.home });
  inference = new Inference(client);
});

afterAll(async () => {
  await inference.close();
  await client.close();
  await grid.stop();
});

const request = new TextEncoder().encode(
  JSON.stringify({ messages: [{ role: 'user', content: 'Tell me of a grid' }], max_tokens: 16 }),
);

/** How long it took from the question to the last byte. */
async function askOnce(model: string): Promise<number> {
  const begun = performance.now();
  const { body, result } = inference.ask({ kind: 'infer', model, path: '/v1/chat/completions', request });
  for await (const _ of body);
  expect((await result).status).toBe(200);
  return performance.now() - begun;
}

it('each has its turns, and nothing is left', { timeout: lengthMs + 3 * longestMs }, async () => {
  const until = performance.now() + lengthMs;
  const asked = models.map(async (model) => {
    const tookMs: number[] = [];
    while (performance.now() < until) tookMs.push(await askOnce(model));
    return tookMs;
  });
  const tookMs = await Promise.all(asked);
  const instances = await durableTasks();
  const counts = models.map((model, at) => {
    const loads = instances.filter(({ name }) => name === model).length;
    const longest = Math.max(...(tookMs[at] ?? []));
    return { model, answers: tookMs[at]?.length, loads, longestS: Math.round(longest / 100) / 10 };
  });
  console.log(counts.map((each) => JSON.stringify(each)).join('\n'));
  for (const each of tookMs) {
    expect(each.length).toBeGreaterThan(2);
    expect(Math.max(...each)).toBeLessThan(longestMs);
  }
  // Somebody had to wait, and no more was swapped than there were turns.
  expect(instances.length).toBeGreaterThan(models.length - 1);
  expect(instances.length).toBeLessThanOrEqual(
    models.length + Math.ceil((2 * (lengthMs + Math.max(...tookMs.flat()))) / turnMs),
  );
  const ended = instances.filter((one) => !isLive(one));
  expect(ended.map(({ failure }) => failure?.code)).toEqual(ended.map(() => 'cancelled.broker'));

  const ends = instances.filter(isLive).map(({ id }) => grid.grid('wait', id));
  for (const model of models) expect((await grid.grid('models', 'rm', model)).code).toBe(0);
  await Promise.all(ends);
  const [node] = await client.request('nodes', {});
  expect(node).toMatchObject({ tasks: [], ghosts: 0 });
  expect(node?.reserved).toMatchObject({ cpuMilli: 0, memoryBytes: 0, attempts: 0 });
});

/** Nothing but instances is durable here. */
async function durableTasks(): Promise<readonly TaskDocument[]> {
  const found: TaskDocument[] = [];
  for (let task = 1; ; task += 1) {
    const shown = await client.request('show', { task: task as TaskId }).catch((error: unknown) => {
      if (error instanceof GridError && error.code === 'rejected.not-found') return undefined;
      throw error;
    });
    if (shown === undefined) return found;
    expect(shown.kind).toBe('instance');
    found.push(shown);
  }
}

function isLive({ state }: TaskDocument): boolean {
  return state === 'running' || state === 'leased' || state === 'waiting';
}
