/** The other end of a command's session is not what it should be. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Router } from 'zeromq';
import { curve, EchoServer } from './data-exec.fixture.ts';
import { encodeData, windowBytes } from './data-wire.ts';
import { openDuplex } from './duplex-session.ts';
import { afterTest } from './scratch.fixture.ts';

let echoes: EchoServer;
beforeEach(async () => {
  echoes = await EchoServer.start();
});

describe('a hostile client', () => {
  it('that floods input without credit is given up, counted, and what follows is dropped', async () => {
    const { say, answer } = await echoes.beginRaw();
    const open = echoes.shut();
    const bytes = Buffer.alloc(60_000);
    const frames = 200;
    for (let nth = 0; nth < frames; nth += 1) await say({ kind: 'input', bytes });
    expect(await answer()).toMatchObject({
      kind: 'end',
      failure: { code: 'rejected.limit', message: 'more input was sent than was granted' },
    });
    await say({ kind: 'cancel' });
    open();
    await echoes.aborted.until((all) => all.length === 1);
    expect(echoes.echo.written.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(windowBytes);
    const late = frames - Math.floor(windowBytes / bytes.length);
    while (echoes.server.counters.late < late) await new Promise(setImmediate);
    expect(echoes.server.counters).toMatchObject({ overrun: 1, late });
    // Another is served as ever.
    const session = await echoes.begin();
    session.endInput();
    expect(await session.ended).toEqual({ failure: null, exitCode: 3 });
  });

  it('cannot send input where none is wanted', async () => {
    const { say, answer } = await echoes.beginRaw(false);
    await say({ kind: 'input', bytes: Buffer.from('x') });
    expect(await answer()).toMatchObject({ kind: 'end', failure: { code: 'rejected.limit' } });
  });

  it('that sends nonsense in a session is counted, and the session goes on', async () => {
    const { say, answer } = await echoes.beginRaw();
    await say({ kind: 'credit', total: 'text' } as never);
    await say({ kind: 'resize', size: { columns: -1, rows: 1e9 } });
    await say({ kind: 'inputEnd' });
    expect(await answer()).toEqual({ kind: 'end', failure: null, exitCode: 3 });
    expect(echoes.server.counters.malformed).toBe(2);
  });
});

it('a hostile worker that sends more than was granted is left', async () => {
  const router = new Router({ linger: 0, curveServer: true, curveSecretKey: curve.secretKey });
  afterTest(() => router.close());
  await router.bind('tcp://127.0.0.1:*');
  const place = { ...echoes.opening(), endpoint: router.lastEndpoint as string };
  const opened = openDuplex(place);
  const [id] = await router.receive();
  const say = (answer: Parameters<typeof encodeData>[0]) =>
    router.send([id as Buffer, 'GD/1', encodeData(answer)]);
  await say({ kind: 'credit', total: windowBytes });
  const session = await opened;
  if ('failure' in session) throw new Error('refused');
  for (let nth = 0; nth < 40; nth += 1)
    await say({ kind: 'chunk', offset: 0, bytes: Buffer.alloc(60_000), stream: 'stdout' });
  expect(await session.ended).toMatchObject({
    failure: { code: 'lost.link', message: 'the worker sent more than it was granted' },
  });
});
