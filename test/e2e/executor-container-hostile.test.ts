/** Containers that misbehave: each ends with a failure in words or its own exit code, within its bounds, and leaves nothing. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Envelope, encodeBody } from '@gryphgen/protocol';
import type { ContainerExecutor, Fence } from '@gryphgen/worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { makePlace, newFence, orderOf, type Place, textOf } from '../conformance/executor-suite.ts';
import { createContainerExecutor, docker, image, leftovers, owner } from './executor-container-place.ts';

const MiB = 1024 * 1024;
/** What the executor under test gives the engine's log of a container, twice: one file is full, one is written. */
const engineLogBytes = 8 * MiB;
const label = [`gryphgen.grid=${owner.grid}`];
const bare = 'gryphgen-test-bare:latest';

let place: Place;
let executor: ContainerExecutor;
let fences: Fence[];

/** An image that says nothing of what to run: the test image's files, imported without a configuration. */
beforeAll(() => {
  execFileSync('sh', [
    '-c',
    `id=$(docker create ${image}) && docker export $id | docker import - ${bare} && docker rm $id`,
  ]);
});

afterAll(() => {
  execFileSync('docker', ['rmi', bare]);
});

beforeEach(async () => {
  place = await makePlace();
  executor = createContainerExecutor(place, docker, undefined, undefined, undefined, {
    logBytes: engineLogBytes,
  });
  fences = [];
  expect(await executor.probe()).toBe(true);
  expect(await executor.adopt()).toEqual([]);
});

afterEach(async () => {
  for (const fence of fences) executor.forget(fence);
  await executor.close();
  await place.logs.close();
  await rm(place.folder, { recursive: true });
  expect(await leftovers()).toEqual([]);
});

function start(body: Record<string, unknown>, over: Partial<Envelope> = {}): Fence {
  const fence = newFence();
  fences.push(fence);
  executor.start(orderOf('container', fence, encodeBody({ image, command: [], ...body }), over));
  return fence;
}

const sh = (line: string) => ({ command: ['sh', '-c', line] });
const bytesIn = (folder: string) =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
const exitOf = async (fence: Fence) => (await place.events.find('exited', fence)).exit;

it('an image without a command, and none asked for: it cannot start, and the words say why', async () => {
  const { failure } = await place.events.find('startFailed', start({ image: bare }));
  expect(failure.code).toBe('execution.start');
  expect(failure.message).toMatch(/no command/i);
  // The same image runs what it is told.
  expect(await exitOf(start({ image: bare, ...sh('exit 3') }))).toMatchObject({ exitCode: 3 });
});

it('one that forks without end stays within its processes, and can be ended', async () => {
  const bomb = 'b() { sleep 600 & b | b & }; b';
  const fence = start({ ...sh(`sh -c '${bomb}' & exec tail -f /dev/null`), pids: 64 });
  await textOf(place.logs, fence, /can't fork/);
  const [found] = await docker.listContainers({ filters: { label } });
  const { pids_stats: pids } = (await docker.getContainer(found?.Id ?? '').stats({ stream: false })) as {
    readonly pids_stats: { readonly current?: number };
  };
  expect(pids.current).toBeGreaterThan(10);
  expect(pids.current).toBeLessThanOrEqual(64);
  executor.stop(fence, 0, 'timeout');
  expect(await exitOf(fence)).toMatchObject({ failure: null, stopped: true });
});

it('one that writes without end fills neither the log nor the engine, and is not held up', async () => {
  const bytes = 3 * engineLogBytes;
  const fence = start(sh(`yes 0123456789abcdef0123456789abcdef | head -c ${bytes}; exit 5`));
  expect(await exitOf(fence)).toMatchObject({ exitCode: 5, failure: null });
  const text = await textOf(place.logs, fence);
  expect(text.length).toBeLessThan(1_000_200);
  expect(text).toMatch(/\[gryphgen: the log is cut off here, at 1000000 bytes\]\n$/);
  const [found] = await docker.listContainers({ all: true, filters: { label } });
  const { DockerRootDir: root } = (await docker.info()) as { readonly DockerRootDir: string };
  const kept = bytesIn(join(root, 'containers', found?.Id ?? '', 'local-logs'));
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThan(2 * engineLogBytes + MiB);
});

it('one that ignores the request to end is killed at the end of its grace', async () => {
  const deaf = start(sh('trap "" TERM INT HUP; echo up; while :; do sleep 0.05; done'));
  await textOf(place.logs, deaf, /up/);
  executor.stop(deaf, 300, 'cancel');
  expect(await exitOf(deaf)).toMatchObject({ exitCode: 137, stopped: true });
});

it('one that has ended before anybody asks for its output has all of it in the log', async () => {
  const short = Array.from({ length: 8 }, (_, no) =>
    start(sh(`echo out${no}; echo err${no} >&2; exit ${no}`)),
  );
  for (const [no, fence] of short.entries()) {
    expect(await exitOf(fence)).toMatchObject({ exitCode: no });
    expect((await textOf(place.logs, fence)).split('\n').sort()).toEqual(['', `err${no}`, `out${no}`]);
  }
});

it('one whose command is not there, or is no program, says so', async () => {
  for (const command of [['/no/such/program'], ['/etc/passwd']]) {
    const fence = start({ command });
    const told = await Promise.race([
      place.events.find('startFailed', fence).then(({ failure }) => failure),
      place.events.find('exited', fence).then(({ exit }) => exit.failure),
    ]);
    expect(told).toMatchObject({
      code: 'execution.start',
      message: expect.stringContaining(command[0] ?? ''),
    });
  }
});

it('one that fills its scratch space gets no more than it has, and is told', async () => {
  const line = 'head -c 20000000 /dev/zero > /tmp/x; echo "code $?"; wc -c < /tmp/x';
  const fence = start({ ...sh(line), tmpfsBytes: MiB });
  expect(await exitOf(fence)).toMatchObject({ exitCode: 0 });
  expect((await textOf(place.logs, fence)).split('\n')).toEqual(
    expect.arrayContaining(['code 1', String(MiB)]),
  );
});
