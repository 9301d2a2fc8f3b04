/** A container whose engine stalls, breaks and comes back: what a real engine does only when it is in trouble. */
import { PassThrough } from 'node:stream';
import type { Container } from 'dockerode';
import { beforeEach, describe, expect, it } from 'vitest';
import type { LogWriter } from '../attempt-log.ts';
import { AttachedOutput } from './attached-output.ts';
import { watchContainer } from './container-watch.ts';
import { frame } from './engine-frames.fixture.ts';
import { type OutputReader, wholeOutput } from './output-copy.ts';
import { LaunchedOutput } from './warm-launcher.ts';

/** Time passes only when everybody waits for it. */
class Alarms {
  mono = 0;
  private readonly pending = new Map<() => void, number>();

  after(ms: number, run: () => void): () => void {
    this.pending.set(run, this.mono + ms);
    return () => this.pending.delete(run);
  }

  next(): boolean {
    const [first] = [...this.pending].sort(([, a], [, b]) => a - b);
    if (first === undefined) return false;
    this.mono = first[1];
    this.pending.delete(first[0]);
    first[0]();
    return true;
  }
}

class Engine {
  readonly streams: PassThrough[] = [];
  readonly waits: { resolve(code: number): void; reject(error: Error): void }[] = [];
  inspect: () => Promise<unknown> = async () => ({});

  readonly container = {
    logs: async ({ abortSignal }: { abortSignal: AbortSignal }) => {
      const stream = new PassThrough();
      this.streams.push(stream);
      abortSignal.addEventListener('abort', () => stream.destroy());
      return stream;
    },
    wait: ({ abortSignal }: { abortSignal: AbortSignal }) =>
      new Promise((resolve, reject) => {
        abortSignal.addEventListener('abort', () => reject(new Error('aborted')));
        this.waits.push({ resolve: (StatusCode) => resolve({ StatusCode }), reject });
      }),
    inspect: () => this.inspect(),
  } as unknown as Container;

  /** The container's end is that of its log, followed and read once more. */
  async endLog(nth: number): Promise<void> {
    this.streams[nth]?.end();
    while (this.streams[nth + 1] === undefined) await settled();
    this.streams[nth + 1]?.end();
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

let alarms: Alarms;
let engine: Engine;
let logs: string[];
let reader: OutputReader;
let closing: AbortController;

beforeEach(() => {
  alarms = new Alarms();
  engine = new Engine();
  logs = [];
  reader = wholeOutput;
  closing = new AbortController();
});

function beginLog(): LogWriter {
  const index = logs.push('') - 1;
  return {
    write: async (bytes) => {
      logs[index] += Buffer.from(bytes).toString();
      return true;
    },
    end: async () => undefined,
  };
}

function watch(attached: AttachedOutput | null = null) {
  const clock = { mono: () => alarms.mono, wall: () => alarms.mono };
  return watchContainer(
    engine.container,
    { log: beginLog, reader: () => reader, attached },
    { clock, alarms, signal: closing.signal },
  );
}

async function passTimeUntil(done: () => boolean): Promise<void> {
  for (let turns = 0; !done(); turns += 1) {
    if (turns > 2000) throw new Error('nothing happens any more');
    await settled();
    if (!done()) alarms.next();
  }
}

/** Tells whether it has resolved by now. */
function whether(promise: Promise<unknown>): () => boolean {
  let over = false;
  void promise.then(() => {
    over = true;
  });
  return () => over;
}

describe('watching a container', () => {
  it('puts the output together however its frames break', async () => {
    const end = watch();
    await settled();
    const bytes = Buffer.concat([frame('hello '), frame('world')]);
    for (const byte of bytes) engine.streams[0]?.write(Buffer.from([byte]));
    await engine.endLog(0);
    engine.waits[0]?.resolve(3);
    expect(await end).toMatchObject({
      exitCode: 3,
      failure: null,
      firstOutput: 'hello world',
      interrupted: false,
    });
    expect(logs).toEqual(['hello world']);
  });

  it('begins again from the first byte when the connection breaks, though wait never says so', async () => {
    const end = watch();
    await settled();
    engine.streams[0]?.write(frame('one'));
    await settled();
    engine.streams[0]?.destroy(new Error('ECONNRESET'));
    let failures = 3;
    engine.inspect = async () => {
      if (failures-- > 0) throw new Error('ECONNREFUSED');
      return {};
    };
    await passTimeUntil(() => engine.streams.length === 2);
    engine.streams[1]?.write(frame('one two'));
    await engine.endLog(1);
    engine.waits[1]?.resolve(0);
    expect(await end).toMatchObject({ exitCode: 0, failure: null, interrupted: true });
    expect(logs).toEqual(['one', 'one two']);
  });

  it('does not wait for ever for the end of the output', async () => {
    const end = watch();
    await settled();
    engine.waits[0]?.resolve(0);
    await passTimeUntil(whether(end));
    expect(await end).toMatchObject({ exitCode: 0 });
    expect(alarms.mono).toBe(10_000);
  });

  it('waits for an output that the engine tells slowly, as long as it tells', async () => {
    const end = watch();
    await settled();
    engine.waits[0]?.resolve(0);
    const isOver = whether(end);
    for (let told = 1; told <= 5; told += 1) {
      engine.streams[0]?.write(frame('x'));
      await settled();
      await passTimeUntil(() => alarms.mono >= told * 10_000);
      expect(isOver()).toBe(false);
    }
    await engine.endLog(0);
    await end;
    expect(logs).toEqual(['xxxxx']);
  });

  it('gives up on an engine that stays away', async () => {
    engine.inspect = () => Promise.reject(new Error('ECONNREFUSED'));
    const end = watch();
    await settled();
    engine.waits[0]?.reject(new Error('ECONNREFUSED'));
    await passTimeUntil(whether(end));
    expect(await end).toMatchObject({ exitCode: -1, failure: { code: 'lost.worker' } });
    expect(alarms.mono).toBeGreaterThanOrEqual(60_000);
  });

  it('notices an engine that has fallen silent: no answer, no end, and no broken connection', async () => {
    let stalled = 0;
    engine.inspect = () => {
      stalled += 1;
      return new Promise(() => undefined);
    };
    const end = watch();
    await passTimeUntil(whether(end));
    expect(await end).toMatchObject({ exitCode: -1, failure: { code: 'lost.worker' } });
    expect(stalled).toBeGreaterThan(2);
    expect(alarms.mono).toBeLessThan(200_000);
  });

  it('asks a silent container now and then, and lets it run', async () => {
    const end = watch();
    await passTimeUntil(() => alarms.mono >= 300_000);
    await engine.endLog(0);
    engine.waits[0]?.resolve(0);
    expect(await end).toMatchObject({ exitCode: 0, interrupted: false });
    expect(engine.waits).toHaveLength(1);
  });

  it('tells a success when the output does, and lets go of the container only some time after', async () => {
    const [nonce, connection] = ['0123456789abcdef', new PassThrough()];
    reader = new LaunchedOutput({ nonce, hasDevices: false });
    const end = watch(new AttachedOutput(connection));
    const words = `\x1e${nonce} ended 0 0\n`;
    connection.write(Buffer.concat([frame(`hello${words}`), frame(words, 2)]));
    const { exitCode, engineSees } = (await end) ?? {};
    expect([exitCode, logs, connection.destroyed]).toEqual([0, ['hello'], false]);
    await passTimeUntil(() => connection.destroyed);
    expect(alarms.mono).toBe(200);
    engine.waits[0]?.resolve(0);
    await engineSees;
  });

  it('says that somebody removed it', async () => {
    engine.inspect = () => Promise.reject(Object.assign(new Error('no such container'), { statusCode: 404 }));
    const end = watch();
    await settled();
    engine.waits[0]?.reject(new Error('404'));
    await passTimeUntil(() => alarms.mono >= 500);
    expect(await end).toMatchObject({ failure: { message: 'somebody removed its container' } });
  });

  it('tells nothing when the worker stops', async () => {
    const end = watch();
    await settled();
    closing.abort();
    await passTimeUntil(() => alarms.mono >= 0);
    expect(await end).toBeUndefined();
  });
});
