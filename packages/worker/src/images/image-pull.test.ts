/** One pull and those who wait for it, with an engine whose lines the test writes and a clock that it moves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ImagePull, type PullOrder } from './image-pull.ts';
import { PlayedTime } from './played-time.fixture.ts';
import type { PullEvent } from './pull-progress.ts';

/** What the engine says in one try: lines, then its end. */
class PlayedEngine {
  readonly tries: PlayedTry[] = [];

  readonly begin = (signal: AbortSignal): AsyncIterable<PullEvent> => {
    const next = new PlayedTry(signal);
    this.tries.push(next);
    return next;
  };

  get now(): PlayedTry {
    const last = this.tries.at(-1);
    if (last === undefined) throw new Error('nothing was begun');
    return last;
  }
}

class PlayedTry implements AsyncIterable<PullEvent> {
  readonly signal: AbortSignal;
  private readonly said: (PullEvent | Error | 'end')[] = [];
  private wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  say(...events: (PullEvent | Error | 'end')[]): void {
    this.said.push(...events);
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PullEvent, void> {
    for (;;) {
      for (const event of this.said.splice(0)) {
        if (event === 'end') return;
        if (event instanceof Error) throw event;
        yield event;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

let time: PlayedTime;
let engine: PlayedEngine;
let lines: string[];
const tell = (line: string) => void lines.push(line);

beforeEach(() => {
  time = new PlayedTime();
  engine = new PlayedEngine();
  lines = [];
});

function pull(over: Partial<PullOrder> = {}): ImagePull {
  return new ImagePull({
    image: 'a:1',
    clock: time,
    alarms: time,
    stallMs: 60_000,
    begin: engine.begin,
    clean: (words) => words.replaceAll('hush', '[secret]'),
    makeRoom: async () => false,
    ...over,
  });
}

const loading = (current: number): PullEvent => ({
  id: 'x',
  status: 'Downloading',
  progressDetail: { current },
});
const MiB = 1024 * 1024;

describe('a pull', () => {
  it('tells those who wait what came, and leaves no alarm behind', async () => {
    const one = pull();
    one.join(tell);
    engine.now.say(loading(2 * MiB));
    await time.pass(3000);
    const late: string[] = [];
    one.join((line) => void late.push(line));
    engine.now.say({ id: 'x', status: 'Pull complete' }, { status: 'Digest: sha256:ab' }, 'end');
    expect(await one.ended).toEqual({ ok: true, summary: '1 layer, 2 MiB in 3 s, sha256:ab' });
    expect(lines).toEqual(['pulling a:1', 'pulled a:1: 1 layer, 2 MiB in 3 s, sha256:ab']);
    expect(late[0]).toBe('a:1 is being pulled: 0 of 1 layer, 2 MiB so far');
    expect(time.alarms).toBe(0);
  });

  it('of an hour is told in few lines', async () => {
    const one = pull();
    one.join(tell);
    for (let second = 1; second <= 3600; second += 1) {
      engine.now.say(loading(second * MiB));
      await time.pass(1000);
    }
    expect(lines.length).toBeLessThan(25);
    expect(lines[1]).toBe('a:1: 0 of 1 layer, 5 MiB so far');
    engine.now.say('end');
    expect(await one.ended).toMatchObject({ ok: true });
  });

  it('in which nothing moves is given up, in words', async () => {
    const one = pull();
    one.join(tell);
    engine.now.say(loading(MiB));
    await time.pass(59_000);
    engine.now.say(loading(2 * MiB));
    await time.pass(59_000);
    engine.now.say(loading(2 * MiB), { id: 'x', status: 'Retrying in 5 seconds' });
    await time.pass(2000);
    expect(await one.ended).toEqual({
      ok: false,
      problem: 'stalled',
      words:
        'nothing came for 1 m 0 s, after 0 of 1 layer, 2 MiB so far; the engine says: Retrying in 5 seconds',
    });
    expect(engine.now.signal.aborted).toBe(true);
    expect(engine.tries).toHaveLength(1);
    expect(time.alarms).toBe(0);
  });

  it('says that nothing comes before it gives up', async () => {
    const one = pull();
    one.join(tell);
    await time.pass(20_000);
    expect(lines.at(-1)).toBe('a:1: no layer yet, nothing for 15 s');
  });

  it('goes on while somebody waits, and ends with the last who leaves', async () => {
    const one = pull();
    const leave = one.join(tell);
    const leaveToo = one.join(tell);
    expect(leave()).toBe(false);
    await time.pass(1000);
    expect(engine.now.signal.aborted).toBe(false);
    expect(leaveToo()).toBe(true);
    expect(await one.ended).toMatchObject({ ok: false, problem: 'left' });
    expect(engine.now.signal.aborted).toBe(true);
    expect(time.alarms).toBe(0);
  });

  it('is tried again when the registry cannot be reached, twice', async () => {
    const one = pull();
    one.join(tell);
    const words = 'dial tcp: connection refused for hush';
    engine.now.say({ error: words });
    await time.pass(1000);
    expect(engine.tries).toHaveLength(2);
    engine.now.say({ error: words });
    await time.pass(5000);
    expect(engine.tries).toHaveLength(3);
    engine.now.say({ error: words });
    expect(await one.ended).toEqual({
      ok: false,
      problem: 'unreachable',
      words: 'dial tcp: connection refused for [secret]',
    });
    expect(lines.filter((line) => line.includes('again'))).toEqual([
      'dial tcp: connection refused for [secret]: trying again in 1 s',
      'dial tcp: connection refused for [secret]: trying again in 5 s',
    ]);
  });

  it('is not tried again when nobody waits any more', async () => {
    const one = pull();
    const leave = one.join(tell);
    engine.now.say({ error: 'unexpected EOF' });
    await time.pass(500);
    leave();
    expect(await one.ended).toMatchObject({ ok: false, problem: 'left' });
    expect(time.alarms).toBe(0);
  });

  it.each([
    [{ error: 'manifest unknown' }, 'absent'],
    [{ error: 'cannot be read', problem: 'credentials' } as const, 'credentials'],
    [Object.assign(new Error('x'), { statusCode: 404, json: { message: 'not found' } }), 'absent'],
    [Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }), 'engine'],
  ])('that ends with %o ends there: %s', async (said, problem) => {
    const one = pull();
    one.join(tell);
    engine.now.say(said);
    expect(await one.ended).toMatchObject({ ok: false, problem });
    expect(engine.tries).toHaveLength(1);
  });

  it('that finds the disk full is tried once more when room could be made', async () => {
    const full = { error: 'write /x: no space left on device' };
    for (const canMake of [true, false]) {
      engine = new PlayedEngine();
      const one = pull({ makeRoom: async () => canMake });
      one.join(tell);
      engine.now.say(full);
      await time.pass(0);
      expect(engine.tries).toHaveLength(canMake ? 2 : 1);
      if (canMake) engine.now.say(full);
      expect(await one.ended).toMatchObject({ ok: false, problem: 'space' });
    }
  });
});
