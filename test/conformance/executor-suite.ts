/**
 * What every executor must do (packages/worker/src/executors/executor.ts), run for each of them by the files beside
 * this one and in test/e2e.
 *
 * Each test ends by forgetting what it started and closing the executor, after which the place must be as clean as
 * before: no container, no process, no folder.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Envelope, encodeBody, envelopeDefaults, type Failure, type TaskKind } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import type {
  AdoptedAttempt,
  Executor,
  ExecutorEvents,
  Exit,
  Fence,
  LeaseFacts,
  Reading,
  ServiceState,
  StartOrder,
} from '@gryphgen/worker';
import { keyOf, LogStore } from '@gryphgen/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

export type Told =
  | { readonly kind: 'started'; readonly key: string }
  | { readonly kind: 'served'; readonly key: string; readonly service: ServiceState }
  | { readonly kind: 'exited'; readonly key: string; readonly exit: Exit }
  | { readonly kind: 'startFailed'; readonly key: string; readonly failure: Failure };

/** Everything an executor told, and a way to wait for it. */
export class Recorder implements ExecutorEvents {
  readonly told: Told[] = [];
  private waiting: (() => void)[] = [];

  started(fence: Fence): void {
    this.note({ kind: 'started', key: keyOf(fence) });
  }

  /** Of each attempt the last: not among what is told, since it comes when it comes. */
  private readonly readings = new Map<string, Reading>();

  used(fence: Fence, reading: Reading): void {
    this.readings.set(keyOf(fence), reading);
    this.wake();
  }

  served(fence: Fence, service: ServiceState): void {
    this.note({ kind: 'served', key: keyOf(fence), service });
  }

  exited(fence: Fence, exit: Exit): void {
    this.note({ kind: 'exited', key: keyOf(fence), exit });
  }

  startFailed(fence: Fence, failure: Failure): void {
    this.note({ kind: 'startFailed', key: keyOf(fence), failure });
  }

  async find<K extends Told['kind']>(kind: K, fence: Fence): Promise<Extract<Told, { kind: K }>> {
    const found = await this.until((told) => told.kind === kind && told.key === keyOf(fence));
    return found as Extract<Told, { kind: K }>;
  }

  async until(is: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const found = this.told.find(is);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** What it used at the first look from now on. */
  async reading(fence: Fence): Promise<Reading> {
    this.readings.delete(keyOf(fence));
    for (;;) {
      const seen = this.readings.get(keyOf(fence));
      if (seen !== undefined) return seen;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private note(told: Told): void {
    this.told.push(told);
    this.wake();
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
  }
}

export interface Place {
  readonly events: Recorder;
  readonly logs: LogStore;
  readonly folder: string;
}

export interface ExecutorUnderTest<E extends Executor = Executor> {
  readonly kind: TaskKind;
  /** A new life of the executor in `place`. */
  create(place: Place): E;
  /** What it is to do before its first attempt. */
  prepare?(executor: E): Promise<void>;
  /** The body that runs this line of shell, or an argv. */
  body(command: readonly string[]): Uint8Array;
  /** Names of what executors left on this machine. */
  leftovers(place: Place): Promise<readonly string[]>;
}

const logBytes = 1_000_000;
let lastTask = 0;

export function newFence(): Fence {
  lastTask += 1;
  return { task: lastTask, attempt: 1, epoch: 1 } as Fence;
}

export function orderOf(
  kind: TaskKind,
  fence: Fence,
  body: Uint8Array,
  over: Partial<Envelope> = {},
): StartOrder {
  const envelope: Envelope = { ...envelopeDefaults, kind, ...over };
  const { cpuMilli, memoryBytes, diskBytes } = envelope.resources;
  const facts: LeaseFacts = {
    kind,
    reservation: { cpuMilli, memoryBytes, diskBytes, devices: [] },
    timeoutMs: envelope.timeoutMs,
    onLinkLost: envelope.onLinkLost,
  };
  return { fence, facts, envelope, devices: [], body };
}

export async function makePlace(): Promise<Place> {
  return placeIn(await mkdtemp(join(tmpdir(), 'gg-executor-')));
}

/** As the next life of the worker finds it. */
export async function placeIn(folder: string): Promise<Place> {
  const log = createLog({ daemon: 'test', level: 'silent' });
  const limits = { attemptBytes: logBytes, totalBytes: 10 * logBytes };
  return {
    events: new Recorder(),
    logs: await LogStore.open(join(folder, 'logs'), limits, {
      clock: systemClock,
      alarms: systemAlarms,
      log,
    }),
    folder,
  };
}

export async function textOf(logs: LogStore, fence: Fence, until = /$^/): Promise<string> {
  const reading = new AbortController();
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of logs.read({ ...fence, from: 0, follow: true, signal: reading.signal })) {
    text += decoder.decode(bytes, { stream: true });
    if (until.test(text)) reading.abort();
  }
  return text;
}

const sh = (line: string): string[] => ['sh', '-c', line];

export function executorSuite<E extends Executor>(under: ExecutorUnderTest<E>): void {
  describe(`the ${under.kind} executor`, () => {
    let place: Place;
    let executor: E;
    let fences: Fence[];

    beforeEach(async () => {
      place = await makePlace();
      executor = under.create(place);
      fences = [];
      expect(await executor.probe()).toBe(true);
      expect(await executor.adopt()).toEqual([]);
      await under.prepare?.(executor);
    });

    afterEach(async () => {
      for (const fence of fences) executor.forget(fence);
      await executor.close();
      await place.logs.close();
      expect(await under.leftovers(place)).toEqual([]);
      await rm(place.folder, { recursive: true });
    });

    function run(command: readonly string[], over: Partial<Envelope> = {}): Fence {
      const fence = newFence();
      fences.push(fence);
      executor.start(orderOf(under.kind, fence, under.body(command), over));
      return fence;
    }

    /** The worker is stopped and starts again. */
    async function nextLife(): Promise<readonly AdoptedAttempt[]> {
      await executor.close();
      await place.logs.close();
      place = await placeIn(place.folder);
      executor = under.create(place);
      expect(await executor.probe()).toBe(true);
      const adopted = await executor.adopt();
      if ('notYet' in adopted) throw new Error(adopted.notYet);
      return adopted;
    }

    it('leaves what runs to its next life, with its lease and its output', async () => {
      const fence = run(sh('trap "echo two; exit 4" TERM; echo one; while :; do sleep 0.05; done'), {
        timeoutMs: 60_000,
        onLinkLost: 'wait',
      });
      await textOf(place.logs, fence, /one/);
      const facts = { kind: under.kind, timeoutMs: 60_000, onLinkLost: 'wait' };
      expect(await nextLife()).toMatchObject([{ fence, facts, stopping: null, found: { phase: 'running' } }]);
      executor.stop(fence, 30_000, 'cancel');
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 4, failure: null, stopped: true });
      expect(await textOf(place.logs, fence)).toMatch(/^one\n(.*\n)?two\n$/);
      expect(place.events.told.map(({ kind }) => kind)).toEqual(['exited']);
    });

    it('knows in its next life what it was ending, and why', async () => {
      const fence = run(sh('trap "echo asked; sleep 1; exit 7" TERM; echo up; while :; do sleep 0.05; done'));
      await textOf(place.logs, fence, /up/);
      executor.stop(fence, 30_000, 'timeout');
      await textOf(place.logs, fence, /asked/);
      const [adopted] = await nextLife();
      expect(adopted).toMatchObject({ fence, stopping: 'timeout' });
      if (adopted?.found.phase === 'running') await place.events.find('exited', fence);
      expect(await textOf(place.logs, fence)).toMatch(/^up\n(.*\n)?asked\n$/);
    });

    it('loses neither output nor end over many lives', async () => {
      const fence = run(sh('i=0; while [ $i -lt 200 ]; do echo $i; i=$((i + 1)); sleep 0.01; done; exit 4'));
      await place.events.find('started', fence);
      let found: AdoptedAttempt['found'] | undefined;
      while (found?.phase !== 'ended') {
        await textOf(place.logs, fence, /[0-9]\n$/);
        found = (await nextLife())[0]?.found;
        expect(found?.phase).toMatch(/running|ended/);
      }
      expect(found.exit).toMatchObject({ exitCode: 4, failure: null, stopped: false });
      const lines = Array.from({ length: 200 }, (_, line) => `${line}\n`);
      expect(await textOf(place.logs, fence)).toBe(lines.join(''));
    });

    it('tells start and success', async () => {
      const fence = run(sh('exit 0'));
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 0, failure: null, stopped: false });
      expect(place.events.told.map(({ kind }) => kind)).toEqual(['started', 'exited']);
    });

    it('tells the exit code', async () => {
      const { exit } = await place.events.find('exited', run(sh('exit 3')));
      expect(exit).toMatchObject({ exitCode: 3, failure: null, stopped: false });
    });

    it('has both streams in the log before the end is told', async () => {
      const fence = run(sh('echo out; echo err >&2'));
      await place.events.find('exited', fence);
      const reading = { ...fence, from: 0, follow: false, signal: new AbortController().signal };
      let text = '';
      for await (const bytes of place.logs.read(reading)) text += Buffer.from(bytes).toString();
      expect(text.split('\n').sort()).toEqual(['', 'err', 'out']);
    });

    it('asks politely first', async () => {
      const fence = run(sh('trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done'));
      await textOf(place.logs, fence, /ready/);
      executor.stop(fence, 30_000, 'cancel');
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 7, stopped: true });
      expect(await textOf(place.logs, fence)).toMatch(/^ready\n(.*\n)*bye\n$/);
    });

    it('kills what ignores the request, and brings the kill forward when told again', async () => {
      const fence = run(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'));
      await textOf(place.logs, fence, /ready/);
      executor.stop(fence, 3_600_000, 'cancel');
      executor.stop(fence, 50, 'cancel');
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 137, stopped: true });
    });

    it('does not lose a stop in the start it crosses', async () => {
      const fence = run(sh('trap "" TERM; while :; do sleep 0.05; done'));
      executor.stop(fence, 0, 'cancel');
      await Promise.race([place.events.find('exited', fence), place.events.find('startFailed', fence)]);
    });

    it('bounds huge output, and does not hold the attempt up for it', async () => {
      const fence = run(sh('yes 0123456789 | head -c 5000000; exit 5'));
      const { exit } = await place.events.find('exited', fence);
      expect(exit.exitCode).toBe(5);
      const text = await textOf(place.logs, fence);
      expect(text.length).toBeLessThan(logBytes + 200);
      expect(text).toMatch(/\[gryphgen: the log is cut off here, at 1000000 bytes\]\n$/);
    });

    it('is not held up by a line without an end', async () => {
      const fence = run(sh('head -c 20000000 /dev/zero | tr "\\000" x; exit 5'));
      const { exit } = await place.events.find('exited', fence);
      expect(exit.exitCode).toBe(5);
      expect(await textOf(place.logs, fence)).toMatch(/^x{1000000}\n\[gryphgen/);
    });

    it('keeps every byte of what is no text', async () => {
      const fence = run(
        sh(
          'touch noise 2>/dev/null || cd /tmp; head -c 300000 /dev/urandom > noise; cat noise; sha256sum < noise',
        ),
      );
      await place.events.find('exited', fence);
      const reading = { ...fence, from: 0, follow: false, signal: new AbortController().signal };
      const parts: Uint8Array[] = [];
      for await (const bytes of place.logs.read(reading)) parts.push(bytes);
      const output = Buffer.concat(parts);
      const digest = createHash('sha256').update(output.subarray(0, 300_000)).digest('hex');
      expect(output.subarray(300_000).toString()).toBe(`${digest}  -\n`);
    });

    it('does not take closed output for the end', async () => {
      const fence = run(sh('exec >&- 2>&-; sleep 0.3; exit 6'));
      const { exit } = await place.events.find('exited', fence);
      expect(exit).toMatchObject({ exitCode: 6, failure: null });
    });

    it('says that there is no such command', async () => {
      const fence = run(['no-such-command', 'x']);
      await Promise.race([place.events.find('exited', fence), place.events.find('startFailed', fence)]);
      const [last] = place.events.told.slice(-1);
      const why =
        last?.kind === 'exited' ? last.exit.failure : last?.kind === 'startFailed' ? last.failure : null;
      expect(why).toMatchObject({ code: 'execution.start' });
      expect(why?.message).toContain('no-such-command');
    });

    it('refuses a body that is none', async () => {
      const fence = newFence();
      executor.start(orderOf(under.kind, fence, encodeBody({ command: 'a string' })));
      const { failure } = await place.events.find('startFailed', fence);
      expect(failure).toMatchObject({ code: 'rejected.invalid' });
      expect(failure.message).toContain('body.');
    });

    it('keeps environment and identity apart from its own', async () => {
      process.env.GRID_SECRET_OF_THE_WORKER = 'x';
      const fence = run(sh('echo "$GRID_TASK $GRID_ATTEMPT [$GRID_SECRET_OF_THE_WORKER]"'));
      await place.events.find('exited', fence);
      expect(await textOf(place.logs, fence)).toBe(`t${fence.task} 1 []\n`);
    });

    it('runs several at once and tells each end once', async () => {
      const started = [1, 2, 3, 4].map((code) => run(sh(`exit ${code}`)));
      const ends = await Promise.all(started.map((fence) => place.events.find('exited', fence)));
      expect(ends.map(({ exit }) => exit.exitCode)).toEqual([1, 2, 3, 4]);
      for (const fence of started) executor.stop(fence, 0, 'cancel');
      expect(place.events.told.filter(({ kind }) => kind === 'exited')).toHaveLength(4);
    });
  });
}
