/**
 * One model on two machines, of which one computes some seven times slower: questions go where their answers end first, as the
 * broker has learned it of those before. llama-server is real, and so is what slows it: a share of a processor.
 *
 * 1. Nothing is asserted of absolute times: what a machine under load does to one of the two it does to the other.
 */
import { join } from 'node:path';
import { addModel, type Client, Inference, readModelFile } from '@gryphgen/client';
import type { ExplainDocument } from '@gryphgen/protocol';
import { defaultPolicy } from '@gryphgen/scheduler';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { CpuShare, sharesCpu } from './cpu-share.fixture.ts';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { llamaServersOf } from './llama-servers.ts';

const model = 'tiny';
const isAble = sharesCpu();
/** Of 50 ms. The larger is more often not used up, so answers take some seven times longer on the smaller. */
const quotasUs = { fast: 5000, slow: 1000 };
const request = new TextEncoder().encode(
  JSON.stringify({
    ...{ messages: [{ role: 'user', content: 'Tell me of a grid' }], max_tokens: 48, ignore_eos: true },
  }),
);

const many = 13;
/** At least; of two of which nothing is known it is the same. On a busy machine the larger share of a processor is not to be had. */
const knownApart = 1.3;
/** Of the policy that decides: how much sooner is worth a wait. */
const { waitGain } = defaultPolicy;

const grid = new DaemonsFixture();
const names = ['fast', 'slow'] as const;
const homes = { fast: '', slow: '' };
const shares: CpuShare[] = [];
let broker: Daemon;
let client: Client;
let inference: Inference;

beforeAll(async () => {
  if (!isAble) return;
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  grid.prepare();
  Object.assign(homes, { fast: grid.home, slow: grid.enrolWorker('slow') });
  broker = grid.daemon(['broker']);
  for (const name of names) grid.daemon(['worker', '--name', name], homes[name]);
  client = await grid.client();
  inference = new Inference(client);
  const path = join(grid.home, 'tiny.gguf');
  const { metadata, tensors } = tinyLlama({ endBias: -100, layers: 8, feedForward: 512 });
  await writeGguf(path, metadata, tensors);
  await addModel(client, model, await readModelFile(path), { slotTokens: 512, slots: 1, min: 2, max: 2 });
}, 120_000);

afterAll(async () => {
  await inference?.close();
  await grid.stop();
  for (const share of shares) share.remove();
  expect(grid.deaths).toEqual([]);
}, 120_000);

async function ready(): Promise<readonly string[]> {
  const models = await inference.models();
  const instances = models.find(({ name }) => name === model)?.instances ?? [];
  return instances
    .filter(({ state }) => state === 'ready')
    .map(({ workerName }) => workerName)
    .sort();
}

interface Answered {
  readonly ranOn: string;
  readonly why: ExplainDocument;
}

async function ask(): Promise<Answered> {
  let ranOn = '';
  const question = { kind: 'infer', model, path: '/v1/chat/completions', request } as const;
  const { task, body, result } = inference.ask(question, {
    onChange: ({ workerName }) => {
      ranOn = workerName;
    },
  });
  for await (const _ of body);
  expect(await result).toMatchObject({ status: 200, tokens: { output: 48 } });
  return { ranOn, why: await client.request('explain', { task: await task }) };
}

/** Of two questions each: for less than ten answers no worker is left idle (learned-forecast.ts). */
const taught = 5;
const burst = (length: number) => Promise.all(Array.from({ length }, ask));

/** What was expected of each when it was placed. */
function outlook({ why }: Answered) {
  const found = (name: string) => {
    const { feasible, startMs, takesMs } = why.workers.find((worker) => worker.name === name) ?? {};
    return { feasible, startMs: startMs ?? Number.NaN, takesMs: takesMs ?? Number.NaN };
  };
  return { fast: found('fast'), slow: found('slow') };
}

const placesOf = (answers: readonly Answered[]) => answers.map(({ ranOn }) => ranOn);
const ranMsOn = (answers: readonly Answered[], name: string) =>
  answers.filter(({ ranOn }) => ranOn === name).map(({ why }) => why.ranMs ?? Number.NaN);
/** One alone may have been held up by the machine. */
const middle = (times: readonly number[]) =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;

if (!isAble)
  console.warn('model-choice.test.ts is SKIPPED: nobody here may give processes a share of a processor');

describe.runIf(isAble)('two machines of which one is slow', () => {
  it('both answer while nothing is known, and what they took is learned', { timeout: 240_000 }, async () => {
    await expect.poll(ready, { timeout: 60_000 }).toEqual(['fast', 'slow']);
    for (const name of names) {
      const share = new CpuShare(name, quotasUs[name]);
      shares.push(share);
      const [pid, ...others] = llamaServersOf(homes[name]);
      expect({ name, pid, others }).toEqual({ name, pid: expect.any(Number), others: [] });
      share.add(pid as number);
    }
    const answers: Answered[] = [];
    for (let times = 0; times < taught; times += 1) answers.push(...(await burst(2)));
    expect(placesOf(answers).sort()).toEqual([...Array(taught).fill('fast'), ...Array(taught).fill('slow')]);
    expect(middle(ranMsOn(answers, 'slow'))).toBeGreaterThan(middle(ranMsOn(answers, 'fast')));
  });

  it('one question goes to the fast one, for the end that is expected there', {
    timeout: 120_000,
  }, async () => {
    const answered = await ask();
    const { fast, slow } = outlook(answered);
    expect(answered.ranOn).toBe('fast');
    expect([fast, slow]).toMatchObject([
      { feasible: true, startMs: 0 },
      { feasible: true, startMs: 0 },
    ]);
    expect(knownApart * fast.takesMs).toBeLessThan(slow.takesMs);
    expect(answered.why.expected?.takesMs).toBe(Math.round(fast.takesMs));
  });

  it('of two the second waits for the fast one, though the other is free', { timeout: 120_000 }, async () => {
    expect(placesOf(await burst(2))).toEqual(['fast', 'fast']);
  });

  it('of many some go to the slow one: those that would end later behind the others', {
    timeout: 120_000,
  }, async () => {
    const answers = await burst(many);
    const spilt = answers.filter(({ ranOn }) => ranOn === 'slow');
    expect(spilt.length).toBeGreaterThan(0);
    expect(spilt.length).toBeLessThan(many / 2);
    expect(placesOf(answers).filter((name) => name === 'fast')).toHaveLength(many - spilt.length);
    for (const each of spilt) {
      const { fast, slow } = outlook(each);
      expect(fast.startMs).toBeGreaterThan(0);
      expect(slow.takesMs).toBeGreaterThan(fast.startMs + fast.takesMs);
      // No sooner would the last of the line have ended there.
      expect(waitGain * slow.takesMs).toBeLessThan(fast.startMs + (many - 1) * fast.takesMs);
    }
  });

  it('a broker that was killed knows it still', { timeout: 120_000 }, async () => {
    await broker.kill();
    broker.start();
    await expect.poll(ready, { timeout: 60_000 }).toEqual(['fast', 'slow']);
    const answered = await ask();
    const { fast, slow } = outlook(answered);
    expect(answered.ranOn).toBe('fast');
    expect(knownApart * fast.takesMs).toBeLessThan(slow.takesMs);
  });
});
