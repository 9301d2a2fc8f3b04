/** Models that are loaded by a real llama-server: their life, over that of their worker, and their ends. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DeviceUuid } from '@gryphgen/protocol';
import { runFolder } from '@gryphgen/runtime';
import { endProcesses, type Fence, keeperPlace, keyOf } from '@gryphgen/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makePlace, type Place, placeIn, textOf } from './executor-suite.ts';
import { InstancePlace, type InstancePlaceOptions, tinyModel } from './instance-place.ts';
import { llamaProgram } from './llama-program.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let models: string;
let chat: string;
let place: Place;
let life: InstancePlace;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gg-models-'));
  chat = await tinyModel(models, 'infer');
});

afterAll(() => rm(models, { recursive: true }));

beforeEach(async () => {
  place = await makePlace();
  await begin();
});

afterEach(async () => {
  await life.close();
  await place.logs.close();
  await endProcesses(place.folder);
  expect(await life.pids()).toEqual([]);
  await rm(place.folder, { recursive: true });
});

async function begin(options: InstancePlaceOptions = {}) {
  life = new InstancePlace(place, options);
  expect(await life.executor.probe()).toBe(true);
  return await life.executor.adopt();
}

/** The worker is stopped, and starts again. */
async function nextLife(options: InstancePlaceOptions = {}) {
  await life.close();
  await place.logs.close();
  place = await placeIn(place.folder);
  return await begin(options);
}

const hello = { messages: [{ role: 'user', content: 'hello' }], max_tokens: 8, temperature: 0 };
const chatPath = '/v1/chat/completions';
const scratchOf = async (fence: Fence) =>
  join(keeperPlace(await realpath(place.folder), 'instance').root, keyOf(fence));

describe('an instance', () => {
  it('of two is asked what goes on from what it answered', async () => {
    for (const fence of [life.start(chat), life.start(chat)]) await life.ready(fence);
    const talk = (content: string, more: readonly object[] = []) => ({
      ...{ ...hello, max_tokens: 48, ignore_eos: true },
      messages: [{ role: 'user', content }, ...more],
    });
    const begun = ['a river in the north', 'the heartbeat of a grid'].map((content) => talk(content));
    // Together: each instance answers one.
    const first = await Promise.all(begun.map((each) => life.result(life.ask('infer', chatPath, each))));
    const more = [
      { role: 'assistant', content: 'yes' },
      { role: 'user', content: 'and then?' },
    ];
    for (const [at, content] of ['a river in the north', 'the heartbeat of a grid'].entries()) {
      const next = await life.result(life.ask('infer', chatPath, talk(content, more)));
      expect(next.tokens?.cached).toBeGreaterThanOrEqual((first[at]?.tokens?.prompt ?? 0) - 1);
    }
  });

  it('is ready when it answers, and leaves nothing when it is forgotten', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    expect(place.events.told.map(({ kind }) => kind)).toEqual(['started', 'served', 'served']);
    const scratch = await scratchOf(fence);
    expect((await stat(join(scratch, 'api-key'))).mode & 0o777).toBe(0o600);
    const result = await life.result(life.ask('infer', chatPath, hello));
    expect(result).toMatchObject({ status: 200, tokens: { output: 8 } });
    life.executor.stop(fence, 10_000, 'cancel');
    const { exit } = await place.events.find('exited', fence);
    expect(exit).toMatchObject({ stopped: true, failure: null });
    const late = await life.answers.find('exited', life.ask('infer', chatPath, hello));
    expect(late.exit.failure).toEqual({
      code: 'execution.model',
      message: 'no instance of infer is ready here',
    });
    life.executor.forget(fence);
    await life.close();
    expect(existsSync(scratch)).toBe(false);
    expect((await readdir(runFolder(place.folder))).filter((name) => name.startsWith('m-'))).toEqual([]);
  });

  it('says nothing of its key, on its command line or in its log', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    await life.result(life.ask('infer', chatPath, hello));
    const key = readFileSync(join(await scratchOf(fence), 'api-key'), 'utf8').trim();
    const [pid] = await life.pids();
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(key);
    life.executor.stop(fence, 10_000, 'cancel');
    await place.events.find('exited', fence);
    const text = await textOf(place.logs, fence);
    expect(text).not.toContain(key);
  });

  it('that is asked to end under a request ends in its grace, and the request fails', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    const asked = life.ask('infer', chatPath, { ...hello, max_tokens: 4000, ignore_eos: true });
    await life.answers.find('started', asked);
    life.executor.stop(fence, 500, 'drain');
    expect((await place.events.find('exited', fence)).exit).toMatchObject({ stopped: true });
    const { exit } = await life.answers.find('exited', asked);
    expect(exit.failure).toMatchObject({ code: 'execution.model' });
    expect(await life.pids()).toEqual([]);
  });

  it('outlives its worker, and answers the next one', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    const before = await life.pids();
    expect(await nextLife()).toMatchObject([{ fence, found: { phase: 'running' } }]);
    await life.ready(fence);
    expect(await life.pids()).toEqual(before);
    expect(await life.result(life.ask('infer', chatPath, hello))).toMatchObject({ status: 200 });
  });

  it('that is killed from outside has failed, in words', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    for (const pid of await life.pids()) process.kill(pid, 'SIGKILL');
    const { exit } = await place.events.find('exited', fence);
    const failure = { code: 'execution.exit', message: 'llama-server was ended by signal 9' };
    expect(exit).toMatchObject({ stopped: false, exitCode: 137, failure });
  });

  it('of a model in several files loads all of them', async () => {
    const folder = await mkdtemp(join(models, 'split-'));
    const args = ['--split', '--split-max-tensors', '8', chat, join(folder, 'part')];
    await promisify(execFile)(llamaProgram('llama-gguf-split'), args);
    const files = (await readdir(folder)).sort();
    expect(files.length).toBeGreaterThan(1);
    const fence = life.start(folder, 'infer', { file: files[0] ?? '' });
    await life.ready(fence);
    expect(await life.result(life.ask('infer', chatPath, hello))).toMatchObject({ status: 200 });
    const wrong = life.start(folder, 'infer');
    const { failure } = await place.events.find('startFailed', wrong);
    expect(failure).toMatchObject({ code: 'execution.input' });
  });

  it('is lost with its keeper, and nothing of it runs on', async () => {
    const fence = life.start(chat);
    await life.ready(fence);
    const { notePath } = keeperPlace(await realpath(place.folder), 'instance');
    process.kill((JSON.parse(readFileSync(notePath, 'utf8')) as { pid: number }).pid, 'SIGKILL');
    const { exit } = await place.events.find('exited', fence);
    expect(exit.failure).toMatchObject({ code: 'lost.worker' });
    expect(await life.pids()).toEqual([]);
    await life.ready(life.start(chat));
  });

  it('of a file that is no model fails with what the server says of it', async () => {
    const broken = join(models, 'broken.gguf');
    await writeFile(broken, 'GGUF but no more');
    const fence = life.start(broken);
    const { exit } = await place.events.find('exited', fence);
    expect(exit.failure?.code).toBe('execution.model');
    expect(exit.failure?.message).toMatch(/before it was ready: .*(gguf|model|load)/i);
  });

  it('that needs more memory than there is fails as that', async () => {
    // A machine of 1 GiB, and not all of this one.
    const small = join(models, 'small-llama-server');
    await writeFile(small, `#!/bin/sh\nulimit -v 1048576\nexec ${llamaProgram('llama-server')} "$@"\n`, {
      mode: 0o755,
    });
    await nextLife({ programs: small });
    const serving = { slots: 16, slotTokens: 2 ** 20, kvType: 'f32' } as const;
    const fence = life.start(chat, 'infer', { serving });
    const { exit } = await place.events.find('exited', fence);
    expect(exit.failure).toMatchObject({ code: 'execution.oom' });
  });

  it('that is to compute on a card that no engine sees is not started on the host instead', async () => {
    const fence = life.start(chat, 'infer', { device: 'GPU-1234' as DeviceUuid, deviceLayers: 4 });
    const { failure } = await place.events.find('startFailed', fence);
    expect(failure.code).toBe('execution.model');
    expect(failure.message).toMatch(/nothing here computes on GPU-1234, and it is not computed on the host/);
    expect(await life.pids()).toEqual([]);
  });
});

describe('a server that hangs', () => {
  it('under a request is found by that nothing moves, and killed', async () => {
    await nextLife({ stillMs: 5000 });
    const fence = life.start(chat);
    await life.ready(fence);
    const long = { ...hello, max_tokens: 100_000, ignore_eos: true, stream: false };
    const asked = life.ask('infer', chatPath, long);
    await life.answers.find('started', asked);
    for (const pid of await life.pids()) process.kill(pid, 'SIGSTOP');
    const { exit } = await place.events.find('exited', fence);
    expect(exit.failure).toEqual({
      code: 'execution.model',
      message: 'no token moved for 5 s with 1 request under way',
    });
    const { exit: answer } = await life.answers.find('exited', asked);
    expect(answer.failure?.code).toBe('execution.model');
    expect(await life.pids()).toEqual([]);
  });

  it('with nothing under way is found by that it does not answer', async () => {
    await nextLife({ stillMs: 5000 });
    const fence = life.start(chat);
    await life.ready(fence);
    for (const pid of await life.pids()) process.kill(pid, 'SIGSTOP');
    const { exit } = await place.events.find('exited', fence);
    expect(exit.failure?.message).toBe('llama-server did not answer for 5 s');
  });
});
