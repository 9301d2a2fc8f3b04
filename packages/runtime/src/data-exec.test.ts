/** Sessions of commands, from end to end. */
import { createHash } from 'node:crypto';
import { failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { EchoServer, grantFor, order } from './data-exec.fixture.ts';
import { windowBytes } from './data-wire.ts';
import { type DuplexSession, openDuplex } from './duplex-session.ts';
import type { Grant } from './grant.ts';

let echoes: EchoServer;
beforeEach(async () => {
  echoes = await EchoServer.start();
});

async function collect(session: DuplexSession): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const found: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
  for await (const { stream, bytes } of session.output()) found[stream].push(bytes);
  return { stdout: Buffer.concat(found.stdout), stderr: Buffer.concat(found.stderr) };
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a session', () => {
  it('carries every byte in both directions, and tells how the command ended', async () => {
    const bytes = Buffer.alloc(5 * windowBytes + 17);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 0x7f;
    const session = await echoes.begin();
    const collected = collect(session);
    expect(await session.write(bytes)).toBe(true);
    session.endInput();
    const { stdout } = await collected;
    expect(sha(stdout)).toBe(sha(bytes));
    expect(await session.ended).toEqual({ failure: null, exitCode: 3 });
    expect(await session.write(bytes)).toBe(false);
    expect(echoes.opened.all).toMatchObject([{ task: 42, attempt: 1, principal: 'p-1', order }]);
  });

  it('tells stdout and stderr apart', async () => {
    const session = await echoes.begin();
    await session.write(Buffer.from('out'));
    await session.write(Buffer.from([0xee, 1]));
    session.endInput();
    const { stdout, stderr } = await collect(session);
    // Both may have come as one piece of input, which begins with `o`.
    expect(Buffer.concat([stdout, stderr])).toEqual(Buffer.from([...Buffer.from('out'), 0xee, 1]));
  });

  it('tells the size of its terminal', async () => {
    const session = await echoes.begin();
    session.resize({ columns: 132, rows: 43 });
    await echoes.echo.sizes.until((all) => all.length === 1);
    expect(echoes.echo.sizes.all).toEqual(['132x43']);
  });

  it('takes no more from who writes than the command takes, and goes on when it does', async () => {
    const session = await echoes.begin();
    const open = echoes.shut();
    let written = false;
    const writing = session.write(Buffer.alloc(windowBytes + 1)).then(() => {
      written = true;
    });
    // A round trip behind all that could be sent.
    session.resize({ columns: 1, rows: 1 });
    await echoes.echo.sizes.until((all) => all.length === 1);
    expect(written).toBe(false);
    open();
    await writing;
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(windowBytes + 1);
  });

  it('ends the input behind what is still to be sent', async () => {
    const session = await echoes.begin();
    const writing = session.write(Buffer.alloc(3 * windowBytes));
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(3 * windowBytes);
    expect(await writing).toBe(true);
  });

  it('holds many small pieces that wait as a few', async () => {
    const session = await echoes.begin();
    const open = echoes.shut();
    for (let nth = 0; nth < 3000; nth += 1) await session.write(Buffer.of(nth & 0x7f));
    session.resize({ columns: 1, rows: 1 });
    await echoes.echo.sizes.until((all) => all.length === 1);
    open();
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(3000);
    expect(echoes.echo.written.length).toBeLessThanOrEqual(4);
  });

  it('ends the command when its client closes it', async () => {
    const session = await echoes.begin();
    await session.close();
    await echoes.aborted.until((all) => all.length === 1);
    expect(await session.ended).toMatchObject({ failure: { code: 'cancelled.user' } });
  });

  it('ends the command when its client’s connection is gone, long before it counts as silent', async () => {
    await (await echoes.beginRaw()).vanish();
    await echoes.aborted.until((all) => all.length === 1);
    expect(echoes.server.counters).toMatchObject({ gone: 1, silent: 0 });
  });

  it('is told when its worker stops', async () => {
    const session = await echoes.begin();
    await echoes.server.stop();
    expect(await session.ended).toEqual({
      failure: { code: 'lost.worker', message: 'its worker has been stopped' },
      exitCode: null,
    });
    expect(echoes.aborted.all).toHaveLength(1);
  });

  it('that cannot be begun says why', async () => {
    echoes.refusal = { failure: failure('rejected.limit', 'too many') };
    expect(await openDuplex(echoes.opening())).toMatchObject({
      failure: { code: 'rejected.limit' },
      exitCode: null,
    });
    echoes.refusal = { failure: failure('execution.start', 'cannot run sh'), exitCode: 127 };
    const session = await echoes.begin();
    expect((await collect(session)).stdout.length).toBe(0);
    expect(await session.ended).toMatchObject({ failure: { code: 'execution.start' }, exitCode: 127 });
  });
});

describe('a grant', () => {
  it('is good once', async () => {
    const grant = grantFor();
    await (await echoes.begin(grant)).close();
    expect(await openDuplex(echoes.opening(grant))).toMatchObject({
      failure: { code: 'rejected.forbidden', message: 'this grant was used before: ask for a new one' },
    });
    expect(echoes.opened.all).toHaveLength(1);
  });

  it.each<[string, Partial<Grant>]>([
    ['somebody who', {}],
    ['somebody whose delegate', { principal: 'p-2', by: 'p-1' }],
  ])('for %s is revoked is void: what it began ends at once, and it begins nothing', async (_, changes) => {
    const ended = await echoes.begin(grantFor(changes));
    const other = await echoes.begin(grantFor({ principal: 'p-3' }));
    const kept = grantFor(changes);
    echoes.server.revoke(['p-0', 'p-1']);
    expect(await ended.ended).toMatchObject({ failure: { code: 'rejected.forbidden' } });
    expect(echoes.aborted.all).toHaveLength(1);
    expect(await openDuplex(echoes.opening(kept))).toMatchObject({ failure: { code: 'rejected.forbidden' } });
    await other.write(Buffer.from('x'));
    other.endInput();
    expect((await collect(other)).stdout.toString()).toBe('x');
  });

  it.each<[string, Partial<Grant>]>([
    ['to read the log', { op: 'logs' }],
    ['of another task', { task: 43 }],
    ['of another attempt', { attempt: 2 }],
    ['that has expired', { expiresAt: Date.now() - 1 }],
    ['without a name to know it by', { id: undefined }],
  ])('%s begins nothing', async (_, changes) => {
    expect(await openDuplex(echoes.opening(grantFor(changes)))).toMatchObject({
      failure: { code: 'rejected.forbidden' },
    });
    expect(echoes.opened.all).toEqual([]);
  });
});
