/**
 * A model over two devices, by a real llama-server: it puts on each what was planned for it. Cards are played by two
 * ggml-rpc-servers, behind a script that lists them as a CUDA build lists those it is given.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceUuid } from '@gryphgen/protocol';
import { readModel } from '@gryphgen/runtime';
import { estimateMemory, offloadLast } from '@gryphgen/scheduler';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { type DeviceLooks, endProcesses } from '@gryphgen/worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { makePlace, type Place, textOf } from './executor-suite.ts';
import { type RpcDevice, startRpcDevice } from './fit-params.ts';
import { InstancePlace } from './instance-place.ts';
import { llamaProgram } from './llama-program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const large = 'GPU-large' as DeviceUuid;
const small = 'GPU-small' as DeviceUuid;
let folder: string;
let cards: readonly RpcDevice[];
let place: Place;
let life: InstancePlace;
let seen: DeviceLooks['seen'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-divided-'));
  cards = await Promise.all([startRpcDevice(), startRpcDevice()]);
});

afterAll(async () => {
  await Promise.all(cards.map(({ stop }) => stop()));
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  place = await makePlace();
  seen = [];
  const looks = {
    get seen() {
      return seen;
    },
    look: () => Promise.resolve(seen),
  };
  life = new InstancePlace(place, { programs: await cudaBuild(), looks });
  expect(await life.executor.probe()).toBe(true);
  await life.executor.adopt();
});

afterEach(async () => {
  await life.close();
  await place.logs.close();
  await endProcesses(place.folder);
  expect(await life.pids()).toEqual([]);
  await rm(place.folder, { recursive: true });
});

/** It numbers the cards in the order in which it is given them, and says where it puts what. */
async function cudaBuild(): Promise<string> {
  const path = join(folder, 'cuda-llama-server');
  const [first, second] = cards.map(({ address }) => address);
  const server = llamaProgram('llama-server');
  const script = `#!/bin/sh
if [ "$1" = --list-devices ]; then
  echo 'Available devices:'; n=0
  for card in $(echo "\${CUDA_VISIBLE_DEVICES-${large},${small}}" | tr , ' '); do
    echo "  CUDA$n: $card (6064 MiB, 5990 MiB free)"; n=$((n+1))
  done
  exit
fi
case "$CUDA_VISIBLE_DEVICES" in
${large},${small}) cards=${first},${second};;
${small},${large}) cards=${second},${first};;
*) cards=;;
esac
for word do
  shift
  if [ "$word" = CUDA0,CUDA1 ]; then word=RPC0,RPC1; fi
  # As of a build that has no kernels for the card.
  if [ "$word" = CUDA0 ]; then word=none; fi
  set -- "$@" "$word"
done
if [ -n "$cards" ]; then set -- --rpc "$cards" "$@" --log-verbosity 4; fi
exec ${server} "$@"
`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

const chatPath = '/v1/chat/completions';
const hello = { messages: [{ role: 'user', content: 'hello' }], max_tokens: 8, temperature: 0 };
const MiB = 1024 ** 2;
/** Beside what is planned for computing: of models of this size it is some MiB. */
const nearMiB = 4;

it.each([
  ['the large one first', [large, small], [16, 9]],
  ['the small one first', [small, large], [9, 16]],
] as const)('takes of each card what was planned there, %s', async (_, order, counts) => {
  expect(life.executor.engines).toMatchObject([{ backends: ['cpu', 'cuda'], divides: true }]);
  const path = join(folder, 'model.gguf');
  const { metadata, tensors } = tinyLlama({ layers: 24, endBias: -100 });
  await writeGguf(path, metadata, tensors);
  const divided = order.map((device, at) => ({ device, layers: counts[at] ?? 0 }));
  const fence = life.start(path, 'infer', { device: order[0], deviceLayers: 25, divided });
  await life.ready(fence);
  const answer = await life.result(life.ask('infer', chatPath, hello));
  expect(answer).toMatchObject({ status: 200, tokens: { output: 8 } });
  life.executor.stop(fence, 10_000, 'cancel');
  await place.events.find('exited', fence);

  const read = await readModel(path);
  if (read.kind === 'refused') throw new Error(read.reason);
  const offload = offloadLast(read.model.layers.length, 25, counts);
  const settings = { contextTokens: 8192, slots: 2, isUnified: false, batchTokens: 512 } as const;
  const types = { keyType: 'f16', valueType: 'f16', flashAttention: true } as const;
  const { devices } = estimateMemory(read.model, { ...settings, ...types }, offload, 0);
  const told = await textOf(place.logs, fence);
  for (const [at, device] of order.entries()) {
    const address = cards[device === large ? 0 : 1]?.address;
    const mibOf = (what: string): number =>
      Number(new RegExp(`\\[${address}\\] +${what} buffer size = +([0-9.]+) MiB`).exec(told)?.[1]);
    const { weightBytes = 0, cacheBytes = 0, computeBytes = 0 } = devices[at] ?? {};
    expect(mibOf('model')).toBeCloseTo(weightBytes / MiB, 1);
    expect(mibOf('KV')).toBeCloseTo(cacheBytes / MiB, 1);
    expect(Math.abs(mibOf('compute') - computeBytes / MiB)).toBeLessThan(nearMiB);
  }
});

it('one that computes on the host in silence takes no request, and says so', async () => {
  const path = join(folder, 'model.gguf');
  const { metadata, tensors } = tinyLlama();
  await writeGguf(path, metadata, tensors);
  seen = [{ uuid: large, name: 'RTX 3060', freeBytes: 2 ** 30, unlistedBytes: 0, usedBy: new Map() }];
  const fence = life.start(path, 'infer', { device: large, deviceLayers: 2 });
  const { exit } = await place.events.find('exited', fence);
  expect(exit.failure).toMatchObject({
    code: 'execution.model',
    message: expect.stringMatching(
      /of RTX 3060 were planned for it, .* it held 0 B: it computes on the host/,
    ),
  });
  expect(
    place.events.told.some((told) => told.kind === 'served' && told.service.health?.state === 'healthy'),
  ).toBe(false);
});
