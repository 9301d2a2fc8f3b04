import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectEngine } from './engine-connection.ts';

let folder: string;
const engine = createServer((_, response) => response.end('{}'));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-engine-'));
  engine.listen(join(folder, 'sock'));
  await once(engine, 'listening');
});

afterEach(async () => {
  engine.closeAllConnections();
  engine.close();
  await rm(folder, { recursive: true });
});

it('a request that is aborted between the last byte of its response and the end of it ends nothing else', async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => uncaught.push(error);
  process.on('uncaughtException', note);
  const docker = connectEngine({ socketPath: join(folder, 'sock') });
  const giveUp = new AbortController();
  const options = { follow: true, stdout: true, abortSignal: giveUp.signal } as const;
  const response = (await docker.getContainer('x').logs(options)) as unknown as IncomingMessage;
  while (!response.complete) await setImmediate();
  const closed = new Promise((resolve) => response.socket.once('close', resolve)); // `once` would hear the error
  response.on('data', () => giveUp.abort());
  await closed;
  await setImmediate();
  process.off('uncaughtException', note);
  expect(uncaught).toEqual([]);
});
