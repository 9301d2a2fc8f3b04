/** What the worker does with a slot that is taken (E42): the server and who has the slot are played. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferResult } from '@gryphgen/protocol';
import {
  type Alarms,
  type Clock,
  type LentWriter,
  systemAlarms,
  systemClock,
  type TakenSlot,
} from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Fence } from '../core/fence.ts';
import { LocalInstance } from './local-instances.ts';
import { keepTaken } from './taken-slot.ts';

const quietMs = 10_000;
let folder: string;
let server: Server;
/** What the server counts; null: it does not answer. */
let counted: { output: number; prompt: number; requests: number } | null | 'late';
let clockMs: number;
let instance: LocalInstance;
let alarms: TestAlarms;
let slot: PlayedSlot;
let ending: AbortController;
let attempt: AbortController;

/** That nothing was said for long is due when the test says so; what limits a look is, where `isLate`. */
class TestAlarms implements Alarms {
  isLate = false;
  private due: (() => void)[] = [];
  private wake: () => void = () => undefined;

  after(ms: number, run: () => void): () => void {
    if (ms !== quietMs) {
      return this.isLate && ms <= 200 ? systemAlarms.after(0, run) : () => undefined;
    }
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
  [counted, clockMs] = [{ output: 100, prompt: 1000, requests: 0 }, 1000];
  server = createServer((_, answer) => {
    if (counted === 'late') return;
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

const clock: Clock = { ...systemClock, mono: () => clockMs };
const keep = () =>
  keepTaken({ instance, lent: slot, clock, alarms, ending: ending.signal, signal: attempt.signal });

it('it is held until it is given back, with what was told', async () => {
  const kept = keep();
  await slot.given;
  expect([instance.taken, instance.underWay, instance.computing]).toEqual([1, 1, 0]);
  slot.told = told(12, 30, 10);
  clockMs += 7;
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
  expect([instance.taken, instance.mayBeTaken]).toEqual([0, false]);
});

it('nor where it did not tell before, and tells late; what it told is enough', async () => {
  counted = 'late';
  alarms.isLate = true;
  expect(await keep()).toBe('refused');
  instance.counters = { decodes: 1, output: 1, prompt: 1, requests: 1 };
  const kept = keep();
  await slot.given;
  slot.told = told(1, 1);
  slot.giveBack();
  expect(await kept).toEqual({ status: 200, firstMs: 0, restMs: 0, questions: 3 });
});

for (const [server, last] of [
  ['others ask', { output: 100, prompt: 1000, requests: 1 }],
  ['is gone', null],
] as const)
  it(`called back, it is waited for while that is told; who says nothing has it no longer, though the server ${server}`, async () => {
    const kept = keep();
    await slot.given;
    counted = last;
    ending.abort('recalled');
    expect(slot.calls).toEqual(['recalled']);
    slot.told = told(1, 1);
    await alarms.pass();
    expect(instance.taken).toBe(1);
    slot.told = told(1, 1);
    await alarms.pass();
    expect(instance.taken).toBe(1);
    await alarms.pass();
    await kept;
    expect(slot.calls).toEqual(['recalled', 'ended']);
    expect(instance.taken).toBe(0);
  });

it('ends at once with its instance', async () => {
  const kept = keep();
  await slot.given;
  instance.lose();
  await kept;
  expect(slot.calls).toEqual(['ended']);
  expect(await keep()).toBe('refused');
});

it('how fast it wrote is believed where that can be', async () => {
  const cases = [
    [10, 10, 20, 20],
    [10, 10, 21, undefined],
    [11, 10, 20, undefined],
    [10, 10, 0.001, undefined],
  ] as const;
  for (const [output, written, outputMs, expected] of cases) {
    counted = { output: 100, prompt: 1000, requests: 0 };
    slot = new PlayedSlot();
    const kept = keep();
    await slot.given;
    clockMs += 20;
    counted = { output: 100 + written, prompt: 1000, requests: 0 };
    slot.told = { ...told(output, 1e9, 1e9), outputMs };
    slot.giveBack();
    const { outputMs: found, tokens } = (await kept) as InferResult;
    expect([found, tokens?.cached]).toEqual([expected, 3 * 128 * 1024]);
  }
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
