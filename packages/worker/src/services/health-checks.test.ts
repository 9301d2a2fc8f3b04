/** Checks against servers of every kind: well, wrong, silent, and those that never come to an end. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { checkHttp, checkTcp, type Target } from './health-checks.ts';

let server: Server | undefined;
const open = new Set<{ destroy(): void }>();
const signal = (ms = 30_000) => AbortSignal.timeout(ms);

afterEach(async () => {
  for (const socket of open) socket.destroy();
  open.clear();
  if (server !== undefined) await new Promise((resolve) => server?.close(resolve));
  server = undefined;
});

/** That says this, and more if asked to, to whoever has asked. */
async function saying(first: string, again?: string): Promise<Target> {
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(first);
      if (again === undefined) return;
      const timer = setInterval(() => socket.write(again), 1);
      socket.once('close', () => clearInterval(timer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

describe('a page is well', () => {
  it.each([200, 204, 302, 399])('with status %i', async (status) => {
    const target = await saying(`HTTP/1.1 ${status} x\r\nlocation: http://10.0.0.1/\r\n\r\n`);
    expect(await checkHttp(target, '/ok', signal())).toBe('');
  });

  it('whatever its body is, and however long', async () => {
    const target = await saying('HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(65_536));
    expect(await checkHttp(target, '/', signal())).toBe('');
  });
});

describe('a page is not well', () => {
  it.each([404, 500])('with status %i', async (status) => {
    const target = await saying(`HTTP/1.1 ${status} x\r\n\r\n`);
    expect(await checkHttp(target, '/ok', signal())).not.toBe('');
  });

  it('with headers that do not end', async () => {
    const target = await saying('HTTP/1.1 200 OK\r\n', `a: ${'x'.repeat(1000)}\r\n`);
    expect(await checkHttp(target, '/', signal())).toContain('Header overflow');
  });

  it.each(['', 'HTTP/1.1 199 x\r\n\r\n'])('without an answer in time: %j', async (said) => {
    const target = await saying(said);
    const soon = signal(300);
    expect(await checkHttp(target, '/', soon)).toBe(`port ${target.port} did not answer in time`);
  });

  it('when something else speaks there', async () => {
    const target = await saying('SSH-2.0-OpenSSH\r\n');
    expect(await checkHttp(target, '/', signal())).toContain(`port ${target.port}: `);
  });

  it('when nobody listens', async () => {
    const target = await saying('');
    await new Promise((resolve) => server?.close(resolve));
    const words = `port ${target.port} refuses connections`;
    expect(await checkHttp(target, '/', signal())).toBe(words);
    expect(await checkTcp(target, signal())).toBe(words);
  });
});

it('a port is well when it takes connections', async () => {
  expect(await checkTcp(await saying(''), signal())).toBe('');
});
