/** What the worker does with a slot that is taken (E42): the server and who has the slot are played. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferResult } from '@gryphgen/protocol';
import { type Alarms, type LentWriter, systemClock, type TakenSlot } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Fence } from '../core/fence.ts';
import { LocalInstance } from './local-instances.ts';
import { keepTaken } from './taken-slot.ts';

const lookMs = 5000;
let folder: string;
let server: Server;
/** What the server counts; null: it does not answer. */
let counted: { output: number; prompt: number; requests: number } | null;
let instance: LocalInstance;
let alarms: TestAlarms;
let slot: PlayedSlot;
let ending: AbortController;
let attempt: AbortController;

/** A look is due when the test says so; what limits one never is. */
class TestAlarms implements Alarms {
  private due: (() => void)[] = [];
  private wake: () => void = () => undefined;

  after(ms: number, run: () => void): () => void {
    if (ms !== lookMs) return () => undefined;
    this.due.push(run);
    this.wake();
    return () => {
      this.due = this.due.filter((one) => one !== run);
    };
  }

  async pending(): Promise<void> {
    while (this.due.length === 0)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }

  async pass(): Promise<void> {
    await this.pending();
    this.due.shift()?.();
  }
}

class PlayedSlot implements Pick<LentWriter, 'give' | 'callBack'> {
  readonly calls: string[] = [];
  readonly given: Promise<void>;
  giveBack: () => void = () => undefined;
  told: InferResult | undefined;
  private tellGiven: () => void = () => undefined;

  constructor() {
    this.given = new Promise((resolve) => {
      this.tellGiven = resolve;
    });
  }

  give(): TakenSlot {
    const back = new Promise<void>((resolve) => {
      this.giveBack = resolve;
    });
    this.tellGiven();
    const slot = this;
    return {
      back,
      get told() {
        return slot.told;
      },
    };
  }

  callBack(why: string): void {
    this.calls.push(why);
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-taken-'));
  counted = { output: 100, prompt: 1000, requests: 0 };
  server = createServer((_, answer) => {
    if (counted === null) {
      answer.writeHead(503).end();
      return;
    }
    const lines = [
      'llamacpp:n_decode_total 5',
      `llamacpp:prompt_tokens_total ${counted.prompt}`,
      `llamacpp:tokens_predicted_total ${counted.output}`,
      `llamacpp:requests_processing ${counted.requests}`,
      'llamacpp:requests_deferred 0',
    ];
    answer.end(`${lines.join('\n')}\n`);
  });
  const socketPath = join(folder, 's.sock');
  await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
  const facts = { model: 'tiny', use: 'infer', onHost: true } as const;
  const fence = { task: 1, attempt: 1, epoch: 1 } as Fence;
  instance = new LocalInstance(fence, facts, { socketPath, apiKey: 'k', apiKeyFile: '' }, systemClock);
  alarms = new TestAlarms();
  slot = new PlayedSlot();
  [ending, attempt] = [new AbortController(), new AbortController()];
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const told = (output: number, prompt: number, cached = 0): InferResult => ({
  ...{ status: 200, firstMs: 0, restMs: 0, questions: 3, outputMs: 7 },
  tokens: { prompt, cached, output },
});

const keep = () => keepTaken({ instance, lent: slot, alarms, ending: ending.signal, signal: attempt.signal });

it('it is held until it is given back, with what was told', async () => {
  const kept = keep();
  await slot.given;
  expect([instance.taken, instance.underWay, instance.computing]).toEqual([1, 1, 0]);
  slot.told = told(12, 30, 10);
  counted = { output: 112, prompt: 1020, requests: 0 };
  slot.giveBack();
  expect(await kept).toEqual(told(12, 30, 10));
  expect(instance.taken).toBe(0);
  expect(slot.calls).toEqual([]);
});

it('of tokens no more is believed than the server has counted', async () => {
  const kept = keep();
  await slot.given;
  slot.told = { ...told(1e6, 1e6, 10), questions: 1e9 };
  counted = { output: 101, prompt: 1002, requests: 0 };
  slot.giveBack();
  expect(await kept).toMatchObject({ tokens: { output: 1, prompt: 12, cached: 10 }, questions: 100_000 });
});

it('nor any at all where it does not tell', async () => {
  const kept = keep();
  await slot.given;
  slot.told = told(1, 1);
  counted = null;
  slot.giveBack();
  expect(await kept).toEqual({ status: 200, firstMs: 0, restMs: 0, questions: 3 });
});

it('it is not given where the server does not count', async () => {
  counted = null;
  expect(await keep()).toBe('refused');
  expect(instance.taken).toBe(0);
});

it('called back, it is waited for; who asks nothing any more has it no longer', async () => {
  counted = { output: 100, prompt: 1000, requests: 1 };
  const kept = keep();
  await slot.given;
  ending.abort('recalled');
  expect(slot.calls).toEqual(['recalled']);
  await alarms.pass();
  await alarms.pending();
  expect(instance.taken).toBe(1);
  counted.requests = 0;
  await alarms.pass();
  await kept;
  expect(instance.taken).toBe(0);
});

it('ends at once with its attempt', async () => {
  const kept = keep();
  await slot.given;
  slot.told = told(1, 1);
  attempt.signal.addEventListener('abort', () => ending.abort('time'), { once: true });
  attempt.abort();
  expect(await kept).toMatchObject({ questions: 3 });
  expect(slot.calls).toEqual(['ended']);
});
