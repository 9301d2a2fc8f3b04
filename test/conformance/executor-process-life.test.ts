/** What only processes do: depend on a keeper, and leave things behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmdirSync } from 'node:fs';
import { readdir, realpath, rm } from 'node:fs/promises';
import { type DeviceShare, encodeBody } from '@gryphgen/protocol';
import { endProcesses, keeperPlace, type ProcessExecutor } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findControlGroups } from '../../packages/worker/src/executors/control-groups.ts';
import { createProcessExecutor, keeperOf, processesOf } from './executor-process-place.ts';
import { makePlace, newFence, orderOf, type Place, textOf } from './executor-suite.ts';

let place: Place;
let executor: ProcessExecutor;

/** In this machine's own groups, where a test may make any. */
const probed = findControlGroups(`gryphgen-test-${process.pid}`);
const hasGroups = probed.folder !== null;
if (probed.folder !== null) rmdirSync(probed.folder);

/** What its parent has not asked for yet runs no more. */
function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

beforeEach(async () => {
  place = await makePlace();
  executor = createProcessExecutor(place);
  await executor.adopt();
});

afterEach(async () => {
  await executor.close();
  await place.logs.close();
  await endProcesses(place.folder);
  expect(await processesOf(place)).toEqual([]);
  await rm(place.folder, { recursive: true });
});

const order = (...command: string[]) => orderOf('process', newFence(), encodeBody({ command }));

it('loses its attempts when the keeper dies, kills what it held, and goes on with a new one', async () => {
  const held = order('sh', '-c', 'setsid sleep 600 & echo up; sleep 600');
  executor.start(held);
  await textOf(place.logs, held.fence, /up/);
  process.kill((await keeperOf(place)).pid, 'SIGKILL');
  const { exit } = await place.events.find('exited', held.fence);
  expect(exit).toMatchObject({ failure: { code: 'lost.worker' }, stopped: false });
  expect(await processesOf(place)).toEqual([]);
  const after = order('sh', '-c', 'exit 3');
  executor.start(after);
  expect((await place.events.find('exited', after.fence)).exit.exitCode).toBe(3);
});

it('tells what an attempt uses while it runs, and with its end what it used', async () => {
  const kept = 32 * 1024 ** 2;
  const fill = `globalThis.kept = Buffer.alloc(${kept}, 1); console.log('up'); setInterval(() => {}, 1000)`;
  const held = order(process.execPath, '-e', fill);
  executor.start(held);
  await textOf(place.logs, held.fence, /up/);
  const { cpuMs, memoryBytes } = await place.events.reading(held.fence);
  expect(memoryBytes).toBeGreaterThan(kept);
  executor.stop(held.fence, 5000, 'cancel');
  const { exit } = await place.events.find('exited', held.fence);
  expect(exit.usage?.peakMemoryBytes).toBeGreaterThan(kept);
  expect(exit.usage?.cpuMs).toBeGreaterThanOrEqual(cpuMs);
});

it('ends its processes, what left their group included, where the worker is not to come back', async () => {
  const held = order('sh', '-c', 'setsid sleep 600 & sleep 600 & echo up; wait');
  executor.start(held);
  await textOf(place.logs, held.fence, /up/);
  await executor.close();
  await expect.poll(() => processesOf(place)).toHaveLength(3);
  await endProcesses(place.folder);
  expect(await processesOf(place)).toEqual([]);
});

it.skipIf(!hasGroups)('ends what left its group and cleared its environment, with the attempt', async () => {
  const held = order('sh', '-c', 'env -i setsid sleep 600 & echo pid $!');
  executor.start(held);
  await place.events.find('exited', held.fence);
  const [, pid = ''] = /pid ([0-9]+)/.exec(await textOf(place.logs, held.fence, /pid [0-9]+/)) ?? [];
  expect(Number(pid)).toBeGreaterThan(0);
  expect(isRunning(pid)).toBe(false);
});

it('kills what a crash of worker and keeper left, before anything is started', async () => {
  const { root } = keeperPlace(await realpath(place.folder));
  const stray = spawn('sleep', ['600'], { env: { GRID_SCRATCH: `${root}/1.2.3` }, stdio: 'ignore' });
  await once(stray, 'spawn');
  const gone = once(stray, 'exit');
  await executor.close();
  executor = createProcessExecutor(place);
  await executor.adopt();
  expect(await gone).toEqual([null, 'SIGKILL']);
});

it('ends the leftovers of a command that has ended, and its scratch folder with it', async () => {
  const quick = order('sh', '-c', 'sleep 600 & touch file; pwd');
  executor.start(quick);
  const { exit } = await place.events.find('exited', quick.fence);
  expect(exit.exitCode).toBe(0);
  const scratch = (await textOf(place.logs, quick.fence)).trim();
  expect(await readdir(scratch)).toEqual(['file']);
  executor.forget(quick.fence);
  await executor.close();
  await expect(readdir(scratch)).rejects.toThrow('ENOENT');
});

it('ends what left the group of a command that has ended, and nothing of one that runs', async () => {
  const held = order('sh', '-c', 'setsid sleep 601 & echo up; wait');
  executor.start(held);
  await textOf(place.logs, held.fence, /up/);
  const left = order('sh', '-c', 'setsid sh -c "sleep 602 & sleep 603" >/dev/null 2>&1 & echo left');
  executor.start(left);
  await place.events.find('exited', left.fence);
  await expect.poll(() => processesOf(place)).not.toContainEqual(expect.stringMatching(/60[23]/));
  expect(await processesOf(place)).toContainEqual(expect.stringMatching(/601/));
});

it('says that its folder is not there, rather than its program', async () => {
  const fence = newFence();
  executor.start(orderOf('process', fence, encodeBody({ command: ['true'], workdir: '/no/such/folder' })));
  const { failure } = await place.events.find('startFailed', fence);
  expect(failure).toEqual({ code: 'execution.start', message: 'there is no folder /no/such/folder' });
});

it('lets what reserves much and uses little run under a limit of memory', async () => {
  const resources = { cpuMilli: 1000, memoryBytes: 256 * 1024 * 1024, diskBytes: 0 };
  const command = [process.execPath, '-e', 'console.log(1)'];
  const fence = newFence();
  executor.start(orderOf('process', fence, encodeBody({ command }), { resources }));
  expect((await place.events.find('exited', fence)).exit).toMatchObject({ exitCode: 0 });
});

it('limits memory where it is asked for', async () => {
  const resources = { cpuMilli: 1000, memoryBytes: 64 * 1024 * 1024, diskBytes: 0 };
  const command = ['sh', '-c', 'head -c 200000000 /dev/zero | tail | wc -c'];
  const fence = newFence();
  executor.start(orderOf('process', fence, encodeBody({ command }), { resources }));
  await place.events.find('exited', fence);
  expect(await textOf(place.logs, fence)).toMatch(/memory/i);
});

it('shows it the devices it was given, and none where it was given none', async () => {
  const device = { uuid: 'GPU-1', vramBytes: 1, whole: true } as DeviceShare;
  const command = ['sh', '-c', 'echo "[$CUDA_VISIBLE_DEVICES]"'];
  for (const [devices, told] of [
    [[device], '[GPU-1]\n'],
    [[], '[]\n'],
  ] as const) {
    const given = { ...order(...command), devices };
    executor.start(given);
    await place.events.find('exited', given.fence);
    expect(await textOf(place.logs, given.fence)).toBe(told);
  }
});
