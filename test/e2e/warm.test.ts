/** Warm containers: who gets which, what reaches the command, what is kept and for how long, and a worker that is killed. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gridOf, loadMembership } from '@gryphgen/client';
import { encodeBody, type PrincipalId } from '@gryphgen/protocol';
import {
  type ContainerExecutor,
  defaultWarmLimits,
  type Fence,
  type StartOrder,
  type WarmLimits,
} from '@gryphgen/worker';
import type { Container } from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makePlace, newFence, orderOf, type Place, textOf } from '../conformance/executor-suite.ts';
import { DaemonsFixture } from './daemons.fixture.ts';
import { createContainerExecutor, docker, image, leftovers, owner } from './executor-container-place.ts';
import { principal, untilWarm } from './warm-executor.ts';

/** More than a shell is told, less than a task may have. */
const longWords = Array.from({ length: 2 }, () => "'".repeat(80_000));
const small = { resources: { cpuMilli: 0, memoryBytes: 16 * 1024 * 1024, diskBytes: 0 } };
const cold = /^\[gryphgen: begins cold: (.*)\]\n/;

async function warmOnes(grid = owner.grid): Promise<readonly Container[]> {
  const label = [`gryphgen.grid=${grid}`, 'gryphgen.warm'];
  const found = await docker.listContainers({ filters: { label } });
  return found.map(({ Id }) => docker.getContainer(Id));
}

/** Neither the engine nor a folder tells when it has become so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('the pool', () => {
  let place: Place;
  let executor: ContainerExecutor;

  beforeEach(async () => {
    place = await makePlace();
    executor = await live({});
  });

  afterEach(async () => {
    await executor.close();
    await place.logs.close();
    await rm(place.folder, { recursive: true });
    expect(await leftovers()).toEqual([]);
  });

  async function live(limits: Partial<WarmLimits>): Promise<ContainerExecutor> {
    const warmLimits = { ...defaultWarmLimits, ...limits };
    const made = createContainerExecutor(place, docker, undefined, undefined, {}, { warmLimits });
    expect(await made.probe()).toBe(true);
    await made.adopt();
    return made;
  }

  function start(body: object, order: Partial<StartOrder> = {}, on = executor): Fence {
    const fence = newFence();
    const full = { image, warm: true, command: ['true'], ...body };
    on.start({ ...orderOf('container', fence, encodeBody(full), small), principal, ...order });
    return fence;
  }

  async function run(body: object, order: Partial<StartOrder> = {}, on = executor) {
    const fence = start(body, order, on);
    const { exit } = await place.events.find('exited', fence);
    const text = await textOf(place.logs, fence);
    on.forget(fence);
    return { code: exit.exitCode, failure: exit.failure, text, why: cold.exec(text)?.[1] };
  }

  /** What comes next with this body begins warm. */
  async function ready(body: object = {}, count = 1): Promise<void> {
    await run({ ...body, command: ['true'] });
    await untilWarm(executor, count);
  }

  it('gives what is ready to its principal alone, and never twice', async () => {
    expect((await run({})).why).toBe('none was ready');
    await untilWarm(executor, 2);
    const names = [await run({ command: ['hostname'] }), await run({ command: ['hostname'] })];
    expect(names.map(({ why }) => why)).toEqual([undefined, undefined]);
    expect(names[0]?.text).not.toBe(names[1]?.text);
    await untilWarm(executor);
    expect((await run({}, { principal: 'p-other' as PrincipalId })).why).toBe('none was ready');
    expect((await run({ pids: 99 })).why).toBe('none was ready');
  });

  it('gives the command exactly its words and variables, whatever they hold', async () => {
    const hostile = [
      `'"\\ $(echo no) \`echo no\` $HOME ;&|<>(){}*?[]~#!%`,
      ' two\nlines\n',
      '',
      '-n',
      "'\\'' '",
      Array.from({ length: 255 }, (_, code) => String.fromCharCode(code + 1)).join(''),
      'é漢🦅\u0081\u0088',
      'x'.repeat(120_000),
    ];
    const env = { IFS: '1', PATH: '/bin', LC_ALL: 'no_SUCH', A: `'$(id)'\n"`, EMPTY: '' };
    // The long one last: the engine's log loses a line's end after so many bytes, cold or warm.
    const print = 'printf "%s\\0" "$A" "$EMPTY" "$GRID_ATTEMPT" "$@"; cat';
    await ready();
    const { why, text, code } = await run({ command: ['sh', '-c', print, 'sh', ...hostile], env });
    expect([why, code]).toEqual([undefined, 0]);
    expect(text).toBe([env.A, '', '1', ...hostile, ''].join('\0'));
    await untilWarm(executor);
    const { text: seen } = await run({ command: ['env'], env: { A: 'x' } });
    expect(seen.split('\n').filter((line) => /^(A|TINI.*|OLDPWD|SHLVL)=/.test(line))).toEqual(['A=x']);
  });

  it.each<[string, object, Partial<StartOrder>]>([
    ['its command and environment are too long', { command: ['true', ...longWords] }, {}],
    ['no shell can pass on the variable UID', { env: { UID: '7' } }, {}],
    ['a shell needs more open files', { ulimits: { nofile: { soft: 20, hard: 20 } } }, {}],
    ['the broker does not tell whose it is', {}, { principal: undefined }],
  ])('%s: cold', async (why, body, order) => {
    expect(await run(body, order)).toMatchObject({ why, code: 0 });
  });

  it('ends what the command left before it tells the end', async () => {
    await ready();
    // Later than the slowest machine takes to end them.
    const late = '(sleep 10; echo late) & (sleep 10; echo late >&2) & echo on time';
    expect(await run({ command: ['sh', '-c', late] })).toMatchObject({ code: 0, text: 'on time\n' });
  });

  it('is of the image that has the name now, not of the one that had it', async () => {
    const [repo, tag] = [`gryphgen-renamed-${owner.grid}`, 'latest'];
    await docker.getImage(image).tag({ repo, tag });
    const named = { image: `${repo}:${tag}`, command: ['sh', '-c', 'echo "is $MARK"'] };
    try {
      await ready(named);
      expect(await run(named)).toMatchObject({ why: undefined, text: 'is \n' });
      await untilWarm(executor);
      const changed = await docker.createContainer({ Image: image });
      await changed.commit({ repo, tag, changes: 'ENV MARK=new' });
      await changed.remove();
      expect((await run(named)).text).toMatch(/is new\n$/);
      await untilWarm(executor, 5);
      expect(await run(named)).toMatchObject({ why: undefined, text: 'is new\n' });
    } finally {
      await executor.close();
      await docker.getImage(named.image).remove({ force: true });
    }
  });

  it('tells an end by a signal, and by the limit of memory', async () => {
    await ready({}, 2);
    expect(await run({ command: ['sh', '-c', 'kill -9 $$'] })).toMatchObject({
      why: undefined,
      code: 137,
      failure: null,
    });
    const { why, failure } = await run({ command: ['sh', '-c', 'head -c 64000000 /dev/zero | tail'] });
    expect(why).toBeUndefined();
    expect(failure).toMatchObject({ code: 'execution.oom' });
  });

  it('a command beside it has its variables', async () => {
    await ready();
    const fence = start({ command: ['sh', '-c', 'echo up; sleep 60'], env: { A: 'x y' } });
    expect(await textOf(place.logs, fence, /up/)).toBe('up\n');
    const order = { command: ['sh', '-c', 'echo "$A $GRID_TASK"'], env: {}, stdin: false, tty: null };
    const entered = await executor.enter(fence, 'exec-1', order, new AbortController().signal);
    if (entered === undefined || 'failure' in entered) throw new Error('the command was not run');
    let text = '';
    for await (const { bytes } of entered.output) text += Buffer.from(bytes).toString();
    expect(text).toBe(`x y t${fence.task}\n`);
    executor.stop(fence, 0, 'cancel');
    await place.events.find('exited', fence);
    executor.forget(fence);
  });

  it('what has ended while it waited is kept no longer', async () => {
    await ready({}, 4);
    for (const one of await warmOnes()) await one.kill();
    await until(async () => executor.warm === 0);
    expect((await run({ command: ['echo', 'x'] })).text).toMatch(/^(.*begins cold.*\n)?x\n$/);
  });

  it('keeps none under pressure, and has them again after it', async () => {
    await ready();
    executor.press(true);
    expect(executor.warm).toBe(0);
    expect((await run({})).why).toBe('this worker is short of room');
    executor.press(false);
    await untilWarm(executor);
    expect((await run({})).why).toBeUndefined();
  });

  it('keeps no more than it may, for no longer than it may', async () => {
    const short = await live({ total: 1, idleMs: 1500 });
    await run({}, {}, short);
    await untilWarm(short);
    while (short.warm > 0) {
      expect(short.warm).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await short.close();
    const off = await live({ total: 0 });
    expect((await run({}, {}, off)).why).toBe('this worker keeps none');
    await off.close();
  });
});

describe('a worker that is killed', () => {
  it('-9 and again, loses none and runs none twice, and leaves no container that nobody has', async () => {
    const grid = new DaemonsFixture();
    grid.prepare();
    try {
      grid.daemon(['broker']);
      const worker = grid.daemon(['worker']);
      const client = await grid.client();
      const script = 'echo "$1 begins"; sleep 1; echo "$1 ends"';
      const submit = (name: string, line = script) =>
        client.submit({
          kind: 'container',
          resources: { cpuMilli: 100, memoryBytes: 0, diskBytes: 0 },
          body: { image, warm: true, command: ['sh', '-c', line, 'sh', name] },
        });
      expect(await submit('first', 'true').finished).toMatchObject({ state: 'succeeded' });
      const ours = gridOf(loadMembership(grid.home));
      await until(async () => (await warmOnes(ours)).length >= 3);
      const tasks = ['a', 'b', 'c'].map((name) => submit(name));
      const notes = join(grid.home, 'worker', 'containers');
      const claims = async () => (await readdir(notes)).filter((name) => name.endsWith('.claim'));
      await until(async () => (await claims()).length >= 2);
      await worker.kill();
      worker.start();
      for (const task of tasks) {
        expect(await task.finished).toMatchObject({ state: 'succeeded' });
        const logs = join(grid.home, 'worker', 'logs');
        const id = await task.accepted;
        const files = (await readdir(logs)).filter((name) => name.startsWith(`t${id}.`));
        const told = await Promise.all(files.map((name) => readFile(join(logs, name), 'utf8')));
        expect(told.join('').match(/(begins|ends)$/gm)).toEqual(['begins', 'ends']);
      }
    } finally {
      await grid.stop();
    }
    expect(grid.deaths).toEqual([]);
  });
});
