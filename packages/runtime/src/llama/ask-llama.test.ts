import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askLlama, KeptConnections, withoutPings } from './ask-llama.ts';

let folder: string;
let server: Server;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-ask-'));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

async function serve(answer: Parameters<typeof createServer>[1]) {
  server = createServer(answer as never);
  const socketPath = join(folder, 's.sock');
  await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
  return { socketPath, apiKey: 'secret' };
}

describe('a request', () => {
  it('brings the key and the body as they are', async () => {
    const door = await serve(async (asked, answer) => {
      const parts: Buffer[] = [];
      for await (const part of asked) parts.push(part as Buffer);
      answer.statusCode = 418;
      answer.end(`${asked.method} ${asked.url} ${asked.headers.authorization} ${Buffer.concat(parts)}`);
    });
    const answer = await askLlama(door, { path: '/x', body: Buffer.from('{"a" : 1}'), signal: never });
    let text = '';
    const take = (piece: Uint8Array): boolean => {
      text += Buffer.from(piece).toString();
      return true;
    };
    expect(await answer.read(take)).toBe(true);
    expect([answer.status, text]).toEqual([418, 'POST /x Bearer secret {"a" : 1}']);
  });

  it('has the connection of the one before it, where it is a question', async () => {
    const connections = new Map<unknown, string[]>();
    const door = await serve((asked, answer) => {
      connections.set(asked.socket, [...(connections.get(asked.socket) ?? []), `${asked.url}`]);
      const isStream = asked.url === '/stream';
      answer.setHeader('content-type', isStream ? 'text/event-stream' : 'application/json');
      answer.end('{}');
    });
    const kept = new KeptConnections();
    const ask = async (path: string, body?: Buffer): Promise<void> => {
      const answer = await askLlama(door, { path, ...(body && { body, kept }), signal: never });
      await answer.read(() => true);
      // A connection is kept a turn after its answer's end.
      await new Promise(setImmediate);
    };
    const body = Buffer.from('{}');
    for (const path of ['/a', '/b', '/stream', '/c']) await ask(path, body);
    for (const path of ['/health', '/slots']) await ask(path);
    kept.closeIdle();
    await ask('/d', body);
    expect([...connections.values()]).toEqual([
      ['/a', '/b', '/stream'],
      ...[['/c'], ['/health'], ['/slots'], ['/d']],
    ]);
    kept.close();
  });

  it('whose kept connection is closed meanwhile is asked once more; by a new one only once', async () => {
    const seen: string[] = [];
    let closes = 1;
    const door = await serve((asked, answer) => {
      seen.push(`${asked.url}`);
      if (asked.url === '/first') answer.end('{}');
      else if (closes > 0) {
        closes -= 1;
        asked.socket.destroy();
      } else answer.end('{}');
    });
    const asked = { body: Buffer.from('{}'), kept: new KeptConnections(), signal: never };
    const first = await askLlama(door, { path: '/first', ...asked });
    await first.read(() => true);
    await new Promise(setImmediate);
    const second = await askLlama(door, { path: '/second', ...asked });
    expect(await second.read(() => true)).toBe(true);
    expect(seen).toEqual(['/first', '/second', '/second']);
    closes = 1;
    await expect(askLlama(door, { path: '/third', ...asked })).rejects.toThrow();
    expect(seen.slice(3)).toEqual(['/third']);
    asked.kept.close();
  });

  it('is left when what comes is not wanted any more', async () => {
    let isGone: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      isGone = resolve;
    });
    const door = await serve((_, answer) => {
      answer.once('close', isGone);
      answer.write('one');
    });
    const answer = await askLlama(door, { path: '/', signal: never });
    expect(await answer.read(() => false)).toBe(false);
    await gone;
  });

  it('that is broken off in the middle is no answer', async () => {
    const door = await serve((_, answer) => {
      answer.writeHead(200, { 'content-length': '100' });
      answer.write('one');
    });
    const answer = await askLlama(door, { path: '/', signal: never });
    const read = answer.read(() => {
      server.closeAllConnections();
      return true;
    });
    await expect(read).rejects.toThrow();
  });

  it('takes no more while a piece is not taken', async () => {
    const door = await serve((_, answer) => {
      for (let piece = 0; piece < 100; piece += 1) answer.write(`${piece};`);
      answer.end();
    });
    const answer = await askLlama(door, { path: '/', signal: never });
    let text = '';
    let taking = 0;
    await answer.read(async (piece) => {
      taking += 1;
      expect(taking).toBe(1);
      await new Promise(setImmediate);
      text += Buffer.from(piece).toString();
      taking -= 1;
      return true;
    });
    expect(text).toBe(Array.from({ length: 100 }, (_, piece) => `${piece};`).join(''));
  });
});

it('pings are no part of an answer; what a model wrote is', async () => {
  await serve(() => undefined);
  const said = (text: string): string => withoutPings(Buffer.from(text)).toString();
  expect(said(':\n\n')).toBe('');
  expect(said(': ping\n\ndata: 1\n\n:\n\ndata: 2\n\n')).toBe('data: 1\n\ndata: 2\n\n');
  expect(said('data: "a\\n\\n: b"\n\n')).toBe('data: "a\\n\\n: b"\n\n');
});
