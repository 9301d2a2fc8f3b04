import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptNo, TaskId } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogStore } from './log-store.ts';

const log = createLog({ daemon: 'test', level: 'silent' });
const task = 7 as TaskId;
const attempt = 1 as AttemptNo;
const bytes = (text: string) => Buffer.from(text);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-logs-'));
});
afterEach(() => rm(folder, { recursive: true }));

const openStore = (attemptBytes = 1000, totalBytes = 10_000) =>
  LogStore.open(folder, { attemptBytes, totalBytes }, { clock: systemClock, alarms: systemAlarms, log });

async function textOf(store: LogStore, over: { from?: number; follow?: boolean; signal?: AbortSignal } = {}) {
  const never = new AbortController().signal;
  let text = '';
  for await (const chunk of store.read({ task, attempt, from: 0, follow: false, signal: never, ...over })) {
    text += Buffer.from(chunk).toString();
  }
  return text;
}

describe('a log', () => {
  it('is read from where one asks, and has an end', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    await writer.write(bytes('hello '));
    await writer.write(bytes('world'));
    expect(await textOf(store)).toBe('hello world');
    await writer.end();
    expect(await textOf(store, { follow: true, from: 6 })).toBe('world');
    expect(await textOf(store, { from: 100 })).toBe('');
  });

  it('is followed from before its first byte to its end', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    const following = textOf(store, { follow: true });
    await writer.write(bytes('a'));
    await writer.write(bytes('b'));
    await writer.end();
    await writer.write(bytes('after the end'));
    expect(await following).toBe('ab');
  });

  it('takes a remark of the grid, which stands after the output and not in it', async () => {
    const store = await openStore();
    store.remark(task, attempt, 'nobody is there yet');
    const writer = store.begin(task, attempt);
    await writer.write(bytes('a'));
    store.remark(task, attempt, 'too much');
    await writer.write(bytes('b'));
    expect(await textOf(store)).toBe('ab');
    await writer.end();
    store.remark(task, attempt, 'too late');
    expect(await textOf(store)).toBe('ab\n[gryphgen: too much]\n');
    expect(await textOf(store, { from: 2 + 4 })).toBe('yphgen: too much]\n');
    expect(await textOf(await openStore())).toBe('ab');
    for (const line of ['', 'a line\n']) {
      const next = store.begin(task, attempt);
      await next.write(bytes(line));
      store.remark(task, attempt, 'too much');
      await next.end();
      expect(await textOf(store)).toBe(`${line}[gryphgen: too much]\n`);
    }
  });

  it('lets go of a reader that does not want any more', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    const gone = new AbortController();
    const early = textOf(store, { follow: true, signal: gone.signal });
    gone.abort();
    expect(await early).toBe('');
    await writer.write(bytes('a'));
    expect(await textOf(store, { follow: true, signal: gone.signal })).toBe('');
    await writer.end();
  });

  it('is cut off at its limit, says so, and its writer learns it', async () => {
    const store = await openStore(10);
    const writer = store.begin(task, attempt);
    expect(await writer.write(bytes('0123456'))).toBe(true);
    expect(await writer.write(bytes('789abc'))).toBe(false);
    expect(await writer.write(bytes('def'))).toBe(false);
    await writer.end();
    expect(await textOf(store)).toBe('0123456789\n[gryphgen: the log is cut off here, at 10 bytes]\n');
  });

  it('of an attempt that wrote nothing is empty, and is there: also in the next life of the store', async () => {
    const store = await openStore();
    await store.begin(task, attempt).end();
    for (const life of [store, await openStore()]) {
      expect(life.has(task, attempt)).toBe(true);
      expect(await textOf(life, { follow: true })).toBe('');
    }
    expect(store.has(task, 2 as AttemptNo)).toBe(false);
  });

  it('begun again replaces the old one', async () => {
    const store = await openStore();
    const old = store.begin(task, attempt);
    await old.write(bytes('old'));
    const renewed = store.begin(task, attempt);
    await renewed.write(bytes('new'));
    await Promise.all([old.end(), renewed.end()]);
    expect(await textOf(store)).toBe('new');
  });

  describe('that an earlier life began', () => {
    async function left(text: string, attemptBytes = 1000): Promise<LogStore> {
      await writeFile(join(folder, 't7.1.log'), text);
      return openStore(attemptBytes);
    }

    it('goes on where the file stopped: what is in it is not wanted again', async () => {
      const store = await left('hello ');
      const { log: writer, position } = await store.resume(task, attempt, { from: 3, to: 20 });
      expect(position).toBe(6);
      const following = textOf(store, { follow: true });
      await writer.write(bytes('world'));
      await writer.end();
      expect(await following).toBe('hello world');
      expect(await textOf(store)).toBe('hello world');
    });

    it('and that is told again from its first byte has each byte once, also for whoever was reading it', async () => {
      const store = await left('hello wo');
      const writer = store.retell(task, attempt);
      const following = textOf(store, { follow: true, from: 6 });
      for (const piece of ['hel', 'lo world', ' again']) await writer.write(bytes(piece));
      // Its source broke: it is told once more.
      expect(store.retell(task, attempt)).toBe(writer);
      expect(await textOf(store)).toBe('hello world again');
      for (const piece of ['hello world', ' again and again']) await writer.write(bytes(piece));
      await writer.end();
      expect(await following).toBe('world again and again');
      expect(await textOf(store)).toBe('hello world again and again');
    });

    it('and that is told again differently is what was told last', async () => {
      const store = await left('hello world');
      const writer = store.retell(task, attempt);
      for (const piece of ['hello ', 'there', '!']) await writer.write(bytes(piece));
      await writer.end();
      expect(await textOf(store)).toBe('hello there!');
    });

    it('and that was cut off is not told again', async () => {
      const cut = '0123456789\n[gryphgen: the log is cut off here, at 10 bytes]\n';
      const store = await left(cut, 10);
      const writer = store.retell(task, attempt);
      expect(await writer.write(bytes('other'))).toBe(false);
      await writer.end();
      expect(await textOf(store)).toBe(cut);
    });

    it('and that had no output yet begins', async () => {
      const store = await openStore();
      const { log: writer, position } = await store.resume(task, attempt, { from: 0, to: 4 });
      expect(position).toBe(0);
      await writer.write(bytes('text'));
      await writer.end();
      expect(await textOf(store)).toBe('text');
    });

    it('and that was cut off stays as it was, its words made whole', async () => {
      const cut = '0123456789\n[gryphgen: the log is cut off here, at 10 bytes]\n';
      for (const found of [cut, cut.slice(0, 20)]) {
        const store = await left(found, 10);
        const { log: writer, position } = await store.resume(task, attempt, { from: 90, to: 100 });
        expect(position).toBe(100);
        expect(await writer.write(bytes('more'))).toBe(false);
        await writer.end();
        expect(await textOf(store)).toBe(cut);
      }
    });

    it('and of which the disk had not taken all says so, and takes no more', async () => {
      const store = await left('hello');
      const { log: writer, position } = await store.resume(task, attempt, { from: 8, to: 20 });
      expect(position).toBe(20);
      expect(await writer.write(bytes('more'))).toBe(false);
      await writer.end();
      const told = 'hello\n[gryphgen: the rest of the log is lost: the disk had not taken 3 bytes of it]\n';
      expect(await textOf(store)).toBe(told);
      // Nor does a life after that add to what it says.
      const again = await openStore();
      const { log: later } = await again.resume(task, attempt, { from: 20, to: 20 });
      await later.write(bytes('more'));
      await later.end();
      expect(await textOf(again)).toBe(told);
    });
  });

  it('does not follow a link that somebody put in its place', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    await writer.write(bytes('')); // the place is clear now
    await rm(join(folder, 't7.1.log'), { force: true });
    const target = join(folder, 'target');
    await writeFile(target, 'precious');
    const second = store.begin(task, 2 as AttemptNo);
    await symlink(target, join(folder, 't7.3.log'));
    const third = store.begin(task, 3 as AttemptNo);
    await third.write(bytes('x'));
    await Promise.all([writer.end(), second.end(), third.end()]);
    expect((await readdir(folder)).sort()).toEqual(['t7.2.log', 't7.3.log', 'target']);
    await expect(textOf(store)).resolves.toBe('');
  });
});

describe('the store', () => {
  it('forgets the logs that ended first when there are too many, and never a running one', async () => {
    const store = await openStore(1000, 250);
    const running = store.begin(1 as TaskId, attempt);
    await running.write(Buffer.alloc(100, 'r'));
    for (const id of [2, 3, 4]) {
      const writer = store.begin(id as TaskId, attempt);
      await writer.write(Buffer.alloc(100, 'x'));
      await writer.end();
    }
    await running.end();
    await expect.poll(async () => (await readdir(folder)).sort()).toEqual(['t1.1.log', 't4.1.log']);
    const reopened = await openStore(1000, 250);
    expect([1, 2, 3, 4].filter((id) => reopened.has(id as TaskId, attempt))).toEqual([1, 4]);
    expect((await readdir(folder)).sort()).toEqual(['t1.1.log', 't4.1.log']);
  });

  it('goes when it ended too long ago, also in an earlier life; what runs stays', async () => {
    let now = Date.now();
    const clock = { mono: () => now, wall: () => now };
    const limits = { attemptBytes: 1000, totalBytes: 10_000, maxAgeMs: 1000 };
    const open = () => LogStore.open(folder, limits, { clock, alarms: systemAlarms, log });
    const first = await open();
    const running = first.begin(1 as TaskId, attempt);
    await running.write(bytes('x'));
    for (const id of [2, 3]) {
      const writer = first.begin(id as TaskId, attempt);
      await writer.write(bytes('x'));
      await writer.end();
      now += 600;
    }
    await first.begin(4 as TaskId, attempt).end();
    await expect
      .poll(async () => (await readdir(folder)).sort())
      .toEqual(['t1.1.log', 't3.1.log', 't4.1.log']);
    await running.end();
    now += 100_000;
    const next = await open();
    await next.begin(5 as TaskId, attempt).end();
    await expect.poll(async () => await readdir(folder)).toEqual(['t5.1.log']);
    for (const store of [first, next]) await store.close();
  });

  it('keeps no end of empty logs, and lets go of no other for their sake', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    await writer.write(bytes('x'));
    await writer.end();
    for (let id = 100; id <= 20_100; id++) store.noteSilent(id as TaskId, attempt);
    expect([100, 101, 20_100].map((id) => store.has(id as TaskId, attempt))).toEqual([false, true, true]);
    expect(await textOf(store)).toBe('x');
  });

  it('names files by numbers only', async () => {
    const store = await openStore();
    expect(() => store.begin('../../etc' as unknown as TaskId, attempt)).toThrow();
    expect(() => store.has(1.5 as TaskId, attempt)).toThrow();
  });

  it('costs an attempt nothing when the disk refuses', async () => {
    const store = await openStore();
    const writer = store.begin(task, attempt);
    await writer.write(bytes(''));
    await rm(folder, { recursive: true });
    await rm(join(folder, 't7.1.log'), { force: true });
    expect(await store.begin(8 as TaskId, attempt).write(bytes('x'))).toBe(false);
    await writer.end();
    folder = await mkdtemp(join(tmpdir(), 'gg-logs-'));
  });
});
