/** What is taken for hung, and what is not: the server is played, times are short. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Failure, Health } from '@gryphgen/protocol';
import { systemAlarms, systemClock } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Fence } from '../core/fence.ts';
import { InstanceWatch } from './instance-watch.ts';
import { LocalInstance } from './local-instances.ts';

const stillMs = 1000;
let folder: string;
let server: Server;
let socketPath: string;
/** What is played. */
let health: () => number | null;
let decoded: () => number | null;
let processing: number | undefined;
let looks: number;
let watch: InstanceWatch;
let instance: LocalInstance;
let states: string[];
let condemned: Promise<Failure>;
let running: Promise<void>;
let onLook: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-watch-'));
  socketPath = join(folder, 's.sock');
  [health, decoded, looks, states, onLook] = [() => 200, () => 0, 0, [], () => undefined];
  processing = undefined;
  server = createServer((asked, answer) => {
    looks += 1;
    onLook();
    const told = asked.url === '/health' ? health() : decoded();
    // It hangs.
    if (told === null) return;
    if (asked.url === '/health') answer.writeHead(told).end('{}');
    else {
      const rest = processing === undefined ? '' : `llamacpp:requests_processing ${processing}\n`;
      answer.end(`# HELP\nllamacpp:n_decode_total ${told}\nllamacpp:n_tokens_max 1\n${rest}`);
    }
  });
  await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
  const facts = { model: 'tiny', use: 'infer', onHost: true } as const;
  const fence = { task: 1, attempt: 1, epoch: 1 } as Fence;
  instance = new LocalInstance(fence, facts, { socketPath, apiKey: 'k', apiKeyFile: '' }, systemClock);
});

afterEach(async () => {
  watch.stop();
  await running;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

function begin(): void {
  condemned = new Promise((resolve) => {
    watch = new InstanceWatch(instance, {
      ...{ clock: systemClock, alarms: systemAlarms, stillMs, condemned: resolve },
      served: ({ state }: Health) => void states.push(state),
    });
  });
  running = watch.run();
}

/** So many questions from now on. */
function asked(count: number): Promise<void> {
  const until = looks + count;
  return new Promise((resolve) => {
    onLook = () => looks >= until && resolve();
  });
}

const more = 8; // looks, of which four make the time after which what is still is hung

it('one that loads is starting, and ready as soon as it says so', async () => {
  health = () => (looks < 4 ? 503 : 200);
  begin();
  await asked(4);
  await expect.poll(() => states).toEqual(['starting', 'healthy']);
  expect(instance.isReady).toBe(true);
});

it('one that was loaded before is never told to be starting', async () => {
  begin();
  await expect.poll(() => states).toEqual(['healthy']);
});

it('one that computes, however long, goes on', async () => {
  instance.begin();
  decoded = () => looks;
  begin();
  await asked(more);
  expect(states).toEqual(['healthy']);
  await expect(Promise.race([condemned, Promise.resolve('goes on')])).resolves.toBe('goes on');
});

it('one whose counter stands still is hung, though it is well', async () => {
  instance.begin();
  instance.begin();
  begin();
  expect((await condemned).message).toBe('no token moved for 1 s with 2 requests under way');
});

it('one that answers nothing is hung', async () => {
  begin();
  await expect.poll(() => states).toEqual(['healthy']);
  health = () => null;
  expect((await condemned).message).toBe('llama-server did not answer for 1 s');
});

it('who takes no more of an answer is no fault of it', async () => {
  instance.begin();
  void instance.handOver(new Promise<boolean>(() => undefined));
  begin();
  await asked(more);
  await expect(Promise.race([condemned, Promise.resolve('goes on')])).resolves.toBe('goes on');
});

it('one whose slots are taken, and that is asked nothing, is well', async () => {
  instance.take();
  processing = 0;
  begin();
  await asked(more);
  await expect(Promise.race([condemned, Promise.resolve('goes on')])).resolves.toBe('goes on');
});

it('one that is asked by a slot that is taken, and stands still, is hung', async () => {
  instance.take();
  processing = 1;
  begin();
  expect((await condemned).message).toBe('no token moved for 1 s with 1 request under way');
});
