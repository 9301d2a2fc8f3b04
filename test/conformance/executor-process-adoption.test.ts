/** Processes, and their output and their ends, over the end of their worker, of their keeper, of both, of the machine. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeBody } from '@gryphgen/protocol';
import { isAlive } from '@gryphgen/runtime';
import {
  type AdoptedAttempt,
  endProcesses,
  type Fence,
  keeperPlace,
  type ProcessExecutor,
} from '@gryphgen/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProcessExecutor, keeperOf, pidsOf, processesOf } from './executor-process-place.ts';
import { makePlace, newFence, orderOf, type Place, placeIn, textOf } from './executor-suite.ts';

const program = fileURLToPath(new URL('./process-worker.mjs', import.meta.url));

interface Told {
  readonly kind: string;
  readonly fence?: Fence;
  readonly found?: readonly AdoptedAttempt[];
}

/** A worker's process, to be killed. */
class DoomedWorker {
  readonly child: ChildProcess;
  private readonly told: Told[] = [];
  private waiting: (() => void)[] = [];

  constructor(folder: string) {
    this.child = fork(program, [folder], { serialization: 'advanced', execArgv: [] });
    this.child.on('message', (told) => {
      this.told.push(told as Told);
      for (const wake of this.waiting.splice(0)) wake();
    });
  }

  async next(kind: string): Promise<Told> {
    for (;;) {
      const at = this.told.findIndex((told) => told.kind === kind);
      if (at >= 0) return this.told.splice(at, 1)[0] as Told;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  async tell(order: object): Promise<void> {
    this.child.send(order);
    await this.next('obeyed');
  }

  async kill(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

let place: Place;
let worker: DoomedWorker;
let executor: ProcessExecutor | null;

beforeEach(async () => {
  place = await makePlace();
  executor = null;
  worker = new DoomedWorker(place.folder);
  expect(await worker.next('adopted')).toMatchObject({ found: [] });
});

afterEach(async () => {
  if (worker.child.exitCode === null && worker.child.signalCode === null) await worker.kill();
  await executor?.close();
  await place.logs.close();
  await endProcesses(place.folder);
  expect(await processesOf(place)).toEqual([]);
  await rm(place.folder, { recursive: true });
});

async function start(line: string): Promise<Fence> {
  const fence = newFence();
  await worker.tell({ start: orderOf('process', fence, encodeBody({ command: ['sh', '-c', line] })) });
  return fence;
}

/** In this process. */
async function nextLife(): Promise<readonly AdoptedAttempt[]> {
  place = await placeIn(place.folder);
  executor = createProcessExecutor(place);
  const adopted = await executor.adopt();
  if ('notYet' in adopted) throw new Error(adopted.notYet);
  return adopted;
}

const logOf = ({ task, attempt }: Fence) =>
  readFile(join(place.folder, 'logs', `t${task}.${attempt}.log`), 'utf8').catch(() => '');
/** On a busy machine, too. */
const soon = <T>(look: () => T, interval = 50) => expect.poll(look, { timeout: 25_000, interval });
const flag = (name: string) => join(place.folder, name);
const untilThere = (name: string) => soon(() => existsSync(flag(name))).toBe(true);

function lost(fence: Fence, words: string) {
  const failure = { code: 'lost.worker', message: expect.stringContaining(words) };
  return { fence, stopping: null, found: { phase: 'ended', exit: { failure, stopped: false } } };
}

describe('kill -9 of the worker', () => {
  it('before it was told of a start: it is found, or lost in words, and never both', async () => {
    const starts: Promise<Fence>[] = [];
    for (let count = 0; count < 20; count += 1) starts.push(start('echo up; exec sleep 600'));
    const fences = await Promise.all(starts);
    await worker.kill();
    const adopted = await nextLife();
    const running = adopted.filter(({ found }) => found.phase === 'running');
    for (const attempt of adopted)
      if (attempt.found.phase !== 'running') expect(attempt).toMatchObject(lost(attempt.fence, 'its '));
    expect(await processesOf(place)).toHaveLength(running.length);
    expect(new Set(adopted.map(({ fence }) => fence.task)).size).toBe(adopted.length);
    for (const { fence } of adopted) expect(fences).toContainEqual(fence);
  });

  it('while it runs: it runs on, and is adopted with its output and its end', async () => {
    const fence = await start(`echo one; until [ -e ${flag('go')} ]; do sleep 0.05; done; echo two; exit 4`);
    await soon(() => logOf(fence)).toBe('one\n');
    await worker.kill();
    const adopted = await nextLife();
    expect(adopted).toMatchObject([{ fence, facts: { kind: 'process' }, found: { phase: 'running' } }]);
    writeFileSync(flag('go'), '');
    const { exit } = await place.events.find('exited', fence);
    expect(exit).toMatchObject({ exitCode: 4, failure: null, stopped: false });
    expect(await textOf(place.logs, fence)).toBe('one\ntwo\n');
  });

  it('when it had ended and nobody had heard: its end, how long it ran, and its output are there', async () => {
    const fence = await start(`echo one; until [ -e ${flag('go')} ]; do sleep 0.05; done; echo two; exit 4`);
    await soon(() => logOf(fence)).toBe('one\n');
    worker.child.kill('SIGSTOP');
    writeFileSync(flag('go'), '');
    await soon(() => processesOf(place)).toEqual([]);
    await worker.kill();
    const exit = { exitCode: 4, failure: null, stopped: false };
    expect(await nextLife()).toMatchObject([{ fence, stopping: null, found: { phase: 'ended', exit } }]);
    expect(await textOf(place.logs, fence)).toBe('one\ntwo\n');
    expect(place.events.told).toEqual([]);
  });

  it('while it is being stopped: it goes on being stopped, for the same reason', async () => {
    const fence = await start(
      `trap "echo asked; sleep 0.5; exit 7" TERM; echo up; while :; do sleep 0.05; done`,
    );
    await soon(() => logOf(fence)).toBe('up\n');
    await worker.tell({ stop: fence, why: 'leaseLost' });
    await soon(() => logOf(fence)).toMatch(/asked/);
    await worker.kill();
    const [adopted] = await nextLife();
    expect(adopted).toMatchObject({ fence, stopping: 'leaseLost' });
    if (adopted?.found.phase === 'running') {
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 7, stopped: true });
    } else expect(adopted).toMatchObject({ found: { exit: { exitCode: 7, stopped: true } } });
  });

  it('while its pipe is full: it waits, and no byte is lost and none told twice', async () => {
    const lines = Array.from({ length: 150_000 }, (_, line) => `${line}\n`).join('');
    await writeFile(flag('lines'), lines);
    const fence = await start(
      `echo up; until [ -e ${flag('go')} ]; do sleep 0.05; done; touch ${flag('begun')}; cat ${flag('lines')}; touch ${flag('done')}; exit 3`,
    );
    await soon(() => logOf(fence)).toBe('up\n');
    await worker.kill();
    writeFileSync(flag('go'), '');
    await untilThere('begun');
    // It writes, and then no more.
    const seen: string[] = [];
    const isBlocked = async () => seen.push(await writtenBytes()) > 1 && seen.at(-1) === seen.at(-2);
    await soon(isBlocked, 200).toBe(true);
    expect(existsSync(flag('done'))).toBe(false);
    expect(await nextLife()).toMatchObject([{ fence, found: { phase: 'running' } }]);
    const { exit } = await place.events.find('exited', fence);
    expect(exit).toMatchObject({ exitCode: 3, failure: null });
    expect(await textOf(place.logs, fence)).toBe(`up\n${lines}`);
  });

  it('in the middle of a write, again and again: the log goes on exactly where it stopped', async () => {
    const lines = Array.from({ length: 20_000 }, (_, line) => `${line}\n`).join('');
    await writeFile(flag('lines'), lines);
    // Slowly, so that there is a middle.
    const script = `while IFS= read -r a; do echo "$a"; done < ${flag('lines')}; exit 5`;
    const fence = await start(script);
    for (let size = 0; ; ) {
      await soon(async () => (await logOf(fence)).length > size).toBe(true);
      size = (await logOf(fence)).length;
      await worker.kill();
      worker = new DoomedWorker(place.folder);
      const [found] = (await worker.next('adopted')).found ?? [];
      if (found?.found.phase === 'ended') break;
      if (size >= lines.length / 2) break;
    }
    await worker.kill();
    const [adopted] = await nextLife();
    if (adopted?.found.phase === 'running') await place.events.find('exited', fence);
    expect(await textOf(place.logs, fence)).toBe(lines);
  });

  it('takes nothing of a log that was cut off at its limit, and adds nothing', async () => {
    const fence = await start(`yes 0123456789 | head -c 3000000; touch ${flag('done')}; exec sleep 600`);
    await untilThere('done');
    await soon(async () => (await logOf(fence)).endsWith(']\n')).toBe(true);
    const before = await logOf(fence);
    await worker.kill();
    expect(await nextLife()).toMatchObject([{ fence, found: { phase: 'running' } }]);
    executor?.stop(fence, 0, 'cancel');
    await place.events.find('exited', fence);
    expect(await textOf(place.logs, fence)).toBe(before);
  });
});

describe('what no keeper holds', () => {
  it('because it was killed, too, is lost in words, and nothing of it runs on', async () => {
    const fence = await start('setsid sleep 600 & echo up; exec sleep 600');
    await soon(() => logOf(fence)).toBe('up\n');
    const { pid } = await keeperOf(place);
    worker.child.kill('SIGSTOP');
    process.kill(pid, 'SIGKILL');
    await worker.kill();
    const words = 'the keeper that held its process was gone when its worker started again';
    expect(await nextLife()).toMatchObject([lost(fence, words)]);
    expect(await processesOf(place)).toEqual([]);
    // What is not forgotten is told again.
    await executor?.close();
    expect(await nextLife()).toMatchObject([lost(fence, '')]);
    executor?.forget(fence);
    await executor?.close();
    expect(await nextLife()).toEqual([]);
  });

  it('because the machine was started anew is lost in words, and no process that has its number now is touched', async () => {
    const fence = await start('echo up; exec sleep 600');
    await soon(() => logOf(fence)).toBe('up\n');
    await worker.kill();
    await endProcesses(place.folder);
    // Its number is ours now, in another boot.
    const note = { pid: process.pid, startedAt: '11111111-2222-3333-4444-555555555555:100' };
    writeFileSync(keeperPlace(place.folder).notePath, JSON.stringify(note));
    expect(await nextLife()).toMatchObject([lost(fence, 'its machine was started anew while it ran')]);
  });

  it('because it was ended with its worker is lost in words', async () => {
    const fence = await start('echo up; exec sleep 600');
    await soon(() => logOf(fence)).toBe('up\n');
    await worker.kill();
    await endProcesses(place.folder);
    expect(await nextLife()).toMatchObject([
      lost(fence, 'its process was no longer there when its worker started again'),
    ]);
  });

  it('because it is of another version is lost in words', async () => {
    const fence = await start('echo up; exec sleep 600');
    await soon(() => logOf(fence)).toBe('up\n');
    await worker.kill();
    const { socketPath } = keeperPlace(place.folder);
    await rm(socketPath);
    const later = createServer((socket) => {
      const header = Buffer.from('{"kind":"welcome","version":2,"root":"?","holds":0}');
      const lengths = Buffer.alloc(8);
      lengths.writeUInt32LE(header.length + 4, 0);
      lengths.writeUInt32LE(header.length, 4);
      socket.resume().end(Buffer.concat([lengths, header]));
    });
    later.listen(socketPath);
    await once(later, 'listening');
    const adopted = await nextLife();
    await new Promise((resolve) => later.close(resolve));
    const words = 'it is of version 2, and this worker of 1';
    expect(adopted).toMatchObject([lost(fence, words)]);
    expect(await processesOf(place)).toEqual([]);
  });
});

describe('a keeper', () => {
  it('that holds nothing ends with its worker', async () => {
    const keeper = await keeperOf(place);
    await worker.kill();
    await soon(() => isAlive(keeper)).toBe(false);
  });

  it('that nobody can find any more ends, and what it holds', async () => {
    const fence = await start('echo up; exec sleep 600');
    await soon(() => logOf(fence)).toBe('up\n');
    const keeper = await keeperOf(place);
    await worker.kill();
    await rm(keeperPlace(place.folder).socketPath);
    await soon(() => isAlive(keeper)).toBe(false);
    expect(await processesOf(place)).toEqual([]);
  });

  it('has a socket for its owner alone', async () => {
    const { socketPath } = keeperPlace(place.folder);
    const { mode } = await stat(socketPath);
    expect(mode & 0o777).toBe(0o600);
  });
});

/** What the programs of this place have written so far, as the kernel counts it. */
async function writtenBytes(): Promise<string> {
  const pids = await pidsOf(place);
  const io = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/io`, 'utf8').catch(() => '')));
  return io.map((text) => /wchar: ([0-9]+)/.exec(text)?.[1] ?? '').join();
}
