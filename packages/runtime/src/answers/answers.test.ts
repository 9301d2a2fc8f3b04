/** Answers from a worker's data endpoint to who asked, from end to end. */
import { failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Alarms } from '../clock.ts';
import { serverOf } from '../data-exec.fixture.ts';
import type { DataServer } from '../data-server.ts';
import { afterTest } from '../scratch.fixture.ts';
import { AnswerChannels } from './answer-channels.ts';
import type { AnswerRecord } from './answer-records.ts';
import { ChannelReader, channel, fenceOf, gone, grantOf } from './answers.fixture.ts';

/** Patience ends when the test says so; the rest of time is real. */
class Hours implements Alarms {
  readonly due: (() => void)[] = [];
  after(_ms: number, due: () => void): () => void {
    this.due.push(due);
    return () => void this.due.splice(this.due.indexOf(due), 1);
  }
}

let hours: Hours;
let channels: AnswerChannels;
let server: DataServer;
let endpoint: string;
beforeEach(async () => {
  hours = new Hours();
  channels = new AnswerChannels({ alarms: hours });
  server = serverOf({ answers: channels.serve });
  [endpoint = ''] = await server.start();
  afterTest(async () => {
    await server.stop();
    channels.close();
  });
});

class Asker extends ChannelReader {
  constructor(grant = grantOf(), name = channel) {
    super(endpoint, grant, name);
  }
}

describe('a channel', () => {
  it('brings heads, bytes and ends of many answers over one connection, each in its order', async () => {
    const asker = new Asker();
    const writers = [1, 2, 3].map((task) => channels.open(channel, 'p-1', fenceOf(task)));
    for (const writer of writers) writer.head(200, 'text/event-stream');
    for (let nth = 0; nth < 5; nth += 1)
      for (const writer of writers) expect(await writer.write(Buffer.from(`${nth}`))).toBe(true);
    await Promise.all(writers.map((writer) => writer.end(null)));
    for (const task of [1, 2, 3]) {
      await asker.ended(task);
      expect(await asker.text(task, 5)).toBe('01234');
      expect(asker.records.all.filter((record) => record.task === task).at(0)).toEqual({
        ...fenceOf(task),
        kind: 'head',
        status: 200,
        contentType: 'text/event-stream',
      });
    }
    expect(server.counters.streams).toBe(1);
  });

  it('keeps what is written before its asker comes, up to a bound', async () => {
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    writer.head(200, 'text/plain');
    expect(await writer.write(Buffer.alloc(200_000, 'a'))).toBe(true);
    let taken = false;
    const more = writer.write(Buffer.alloc(100_000, 'b')).then((ok) => {
      taken = ok;
    });
    await new Promise(setImmediate);
    expect(taken).toBe(false);
    const asker = new Asker();
    expect(await asker.text(1, 300_000)).toHaveLength(300_000);
    await more;
    expect(taken).toBe(true);
  });

  it('tells who writes when nobody comes', async () => {
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    const waiting = writer.write(Buffer.alloc(300_000));
    hours.due[0]?.();
    expect(await gone(writer)).toMatchObject({ code: 'rejected.state' });
    expect(await waiting).toBe(false);
    await writer.end(null);
    expect(hours.due).toEqual([]);
  });

  it('that breaks takes with it what had begun, and keeps the rest for the next connection', async () => {
    const first = new Asker();
    const begun = channels.open(channel, 'p-1', fenceOf(1));
    const waiting = channels.open(channel, 'p-1', fenceOf(2));
    await begun.write(Buffer.from('x'));
    await first.text(1, 1);
    first.hangUp();
    expect(await gone(begun)).toMatchObject({ code: 'lost.link' });
    expect(await begun.write(Buffer.from('y'))).toBe(false);
    await waiting.write(Buffer.from('z'));
    const second = new Asker();
    expect(await second.text(2, 1)).toBe('z');
    await waiting.end(null);
    await second.ended(2);
    expect(second.records.all.some(({ task }) => task === 1)).toBe(false);
  });

  it('is taken over by a newer connection, and the older is told', async () => {
    const first = new Asker();
    const begun = channels.open(channel, 'p-1', fenceOf(1));
    await begun.write(Buffer.from('x'));
    await first.text(1, 1);
    const second = new Asker();
    expect(await first.over).toMatchObject({ code: 'rejected.state' });
    const next = channels.open(channel, 'p-1', fenceOf(2));
    await next.write(Buffer.from('z'));
    expect(await second.text(2, 1)).toBe('z');
    expect(begun.gone.aborted).toBe(true);
  });

  it('carries more than a window, as it is taken', async () => {
    const asker = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    const piece = Buffer.alloc(100_000, 'q');
    for (let nth = 0; nth < 40; nth += 1) expect(await writer.write(piece)).toBe(true);
    await writer.end(null);
    await asker.ended(1);
    expect(await asker.text(1, 4_000_000)).toHaveLength(4_000_000);
  });
});

it('an asker knows when it is there', async () => {
  const asker = new Asker();
  await asker.opened.until((all) => all.length === 1);
});

describe('who may have answers', () => {
  it('is the principal alone: the same name of another is another channel', async () => {
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    await writer.write(Buffer.from('secret'));
    const other = new Asker(grantOf({ principal: 'p-2' }));
    const own = channels.open(channel, 'p-2', fenceOf(2));
    await own.write(Buffer.from('mine'));
    expect(await other.text(2, 4)).toBe('mine');
    expect(other.records.all.some(({ task }) => task === 1)).toBe(false);
    expect(await new Asker().text(1, 6)).toBe('secret');
  });

  it.each([
    ['for another worker', { worker: 'w-ffffffffffffffff' }],
    ['for nobody', { principal: undefined }],
    ['for something else', { op: 'logs' as const, task: 1, attempt: 1 }],
    ['that has expired', { expiresAt: Date.now() - 1 }],
  ])('is nobody with a grant %s', async (_, changes) => {
    expect(await new Asker(grantOf(changes)).over).toMatchObject({ code: 'rejected.forbidden' });
  });

  it('may come again with the same grant', async () => {
    const first = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    await writer.write(Buffer.from('x'));
    await first.text(1, 1);
    first.hangUp();
    await gone(writer);
    const next = channels.open(channel, 'p-1', fenceOf(2));
    await next.write(Buffer.from('y'));
    expect(await new Asker().text(2, 1)).toBe('y');
  });

  it('is over when the principal is revoked: E27', async () => {
    const asker = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    await writer.write(Buffer.from('x'));
    await asker.text(1, 1);
    server.revoke(['p-1']);
    expect(await asker.over).toMatchObject({ code: 'rejected.forbidden' });
    expect(await gone(writer)).toMatchObject({ code: 'lost.link' });
    expect(await new Asker().over).toMatchObject({ code: 'rejected.forbidden' });
  });

  it('is told when the worker stops, and so is who writes', async () => {
    const asker = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    await writer.write(Buffer.from('x'));
    await asker.text(1, 1);
    const idle = channels.open(channel, 'p-1', fenceOf(2));
    await server.stop();
    channels.close();
    expect(await asker.over).toMatchObject({ code: 'lost.worker' });
    expect(await gone(idle)).toMatchObject({ code: 'lost.worker' });
    const late = channels.open(channel, 'p-1', fenceOf(3));
    expect(late.gone.aborted).toBe(true);
    late.head(200, '');
    expect(await late.write(Buffer.from('x'))).toBe(false);
    await late.end(null);
  });
});

describe('a slot that is lent', () => {
  const told = (asker: Asker, kind: AnswerRecord['kind'], times = 1) =>
    asker.records.until((all) => all.filter((record) => record.kind === kind).length >= times);
  const result = { status: 200, firstMs: 1, restMs: 2 };
  const nobody = new AbortController().signal;

  it('answers what its asker asks, one after the other, until it is given back', async () => {
    const asker = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    await writer.write(Buffer.from('a'));
    const lent = writer.lend();
    lent.done(result);
    for (const [nth, letter] of ['b', 'c'].entries()) {
      const next = lent.next(nobody);
      await told(asker, 'want', nth + 1);
      asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'ask', bytes: Buffer.from(letter) });
      const asked = await next;
      if (typeof asked === 'string' || 'proof' in asked) throw new Error('no question');
      await writer.write(asked.request);
      lent.done(result);
    }
    expect(await asker.text(1, 3)).toBe('abc');
    await told(asker, 'done', 3);
    const next = lent.next(nobody);
    asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'over', why: 'back' });
    expect(await next).toBe('back');
    lent.over('back');
    await writer.end(null);
    await told(asker, 'over');
    // What crosses that is nobody's.
    asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'ask', bytes: Buffer.from('d') });
    expect(asker.records.all.map(({ kind }) => kind)).not.toContain('end');
    expect(asker.records.all.filter(({ kind }) => kind === 'done')).toEqual(
      [1, 2, 3].map(() => ({ ...fenceOf(1), kind: 'done', result })),
    );
  });

  it('takes no more when its time is over, and hears who leaves and that its asker is gone', async () => {
    const asker = new Asker();
    const writer = channels.open(channel, 'p-1', fenceOf(1));
    const lent = writer.lend();
    const next = lent.next(nobody);
    await told(asker, 'want');
    asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'ask', bytes: Buffer.from('b') });
    const asked = await next;
    if (typeof asked === 'string' || 'proof' in asked) throw new Error('no question');
    const left = new Promise((resolve) => asked.left.addEventListener('abort', resolve));
    asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'leave' });
    await left;
    lent.done(failure('cancelled.user', 'nobody takes it'));
    await told(asker, 'end');
    expect(await lent.next(AbortSignal.abort('time'))).toBe('time');
    const ending = new AbortController();
    const waiting = lent.next(ending.signal);
    ending.abort('recalled');
    expect(await waiting).toBe('recalled');
    const last = lent.next(nobody);
    asker.hangUp();
    expect(await last).toBe('back');
    expect(await gone(writer)).toMatchObject({ code: 'lost.link' });
    lent.over('time');
    await writer.end(null);
  });
});

it('there are so many channels at most', async () => {
  const names = Array.from({ length: 256 }, (_, nth) => `${nth}`.padStart(22, 'n'));
  for (const name of names) channels.open(name, 'p-1', fenceOf(1));
  const beyond = channels.open(channel, 'p-1', fenceOf(2));
  expect(beyond.gone.reason).toMatchObject({ code: 'rejected.limit' });
  expect(await new Asker().over).toMatchObject({ code: 'rejected.limit' });
});
