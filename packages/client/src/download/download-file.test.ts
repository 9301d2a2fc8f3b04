/** Files from a server on this machine, that is honest, breaks off, changes its mind, or never comes to an end. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Alarms, type Clock, systemClock } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type DownloadOptions, downloadFile, type WantedFile } from './download-file.ts';
import { WebClient } from './web-client.ts';
import { serve, WebServer } from './web-server.fixture.ts';

const file = Buffer.from(`GGUF${'what is in it '.repeat(10_000)}`);
const other = Buffer.from(`GGUF${'something else '.repeat(10_000)}`);
const some = 70_000;
const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
/** Nobody waits in a test. */
const atOnce: Alarms = {
  after: (_, run) => {
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  },
};

let folder: string;
let path: string;
let server: WebServer;
let web: WebClient;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gg-download-'));
  path = join(folder, 'm.gguf');
  server = await WebServer.open();
  web = await WebClient.open({});
});
afterEach(async () => {
  await web.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

const bring = (wanted: Partial<WantedFile> = {}, options: Partial<DownloadOptions> = {}) =>
  downloadFile(
    {
      ...{ url: server.url('/m.gguf'), path },
      amiss: (head) => (head.toString().startsWith('GGUF') ? '' : 'no model'),
      ...wanted,
    },
    {
      web,
      clock: systemClock,
      alarms: atOnce,
      onMoved: (bytes) => bytes === some && server.cut(),
      ...options,
    },
  );

it('a file comes whole, and is told by its digest', async () => {
  server.answer = serve(file);
  const moved: number[] = [];
  const digest = await bring({}, { onMoved: (bytes, of) => moved.push(bytes, of) });
  expect(digest).toBe(digestOf(file));
  expect(readFileSync(path)).toEqual(file);
  expect(moved.slice(-2)).toEqual([file.length, file.length]);
  expect(server.asked[0]?.headers).toMatchObject({ 'accept-encoding': 'identity' });
});

it('goes on where a connection broke', async () => {
  const half = serve(file, { upTo: some });
  server.answer = (request, response) => {
    (server.asked.length === 1 ? half : serve(file))(request, response);
  };
  expect(await bring()).toBe(digestOf(file));
  expect(readFileSync(path)).toEqual(file);
  expect(server.asked[1]?.headers).toMatchObject({ range: `bytes=${some}-`, 'if-range': '"one"' });
});

it('goes on after its command was ended', async () => {
  const stop = new AbortController();
  server.answer = serve(file, { upTo: some });
  const ended = bring(
    {},
    { signal: stop.signal, onMoved: (bytes) => bytes === some && stop.abort(new Error('ended')) },
  );
  await expect(ended).rejects.toThrow('ended');
  expect(existsSync(path)).toBe(false);
  server.answer = serve(file);
  expect(await bring()).toBe(digestOf(file));
  expect(server.asked.at(-1)?.headers.range).toBe(`bytes=${some}-`);
});

it.each([
  ['is another one meanwhile', serve(other, { etag: '"two"' })],
  ['is never given in parts', serve(other, { ranges: false })],
])('begins anew when the file %s', async (_, then) => {
  server.answer = (request, response) => {
    (server.asked.length === 1 ? serve(file, { upTo: some }) : then)(request, response);
  };
  expect(await bring()).toBe(digestOf(other));
  expect(readFileSync(path)).toEqual(other);
});

it('begins anew when a server goes on with another file than it began', async () => {
  server.answer = (request, response) => {
    const { length } = server.asked;
    if (length === 1) serve(file, { upTo: some })(request, response);
    // It does not look at If-Range.
    else
      serve(other, { etag: '"two"' })(
        { ...request, headers: { range: request.headers.range } } as typeof request,
        response,
      );
  };
  expect(await bring()).toBe(digestOf(other));
});

it('asks nothing for what is there with its digest, and little for what is there without', async () => {
  server.answer = serve(file);
  await bring();
  expect(await bring({ sha256: digestOf(file) })).toBe(digestOf(file));
  expect(server.asked).toHaveLength(1);
  expect(await bring()).toBe(digestOf(file));
  expect(server.asked[1]?.headers['if-none-match']).toBe('"one"');
  server.answer = serve(other, { etag: '"two"' });
  expect(await bring()).toBe(digestOf(other));
});

it('refuses another file than was meant, and keeps nothing of it', async () => {
  server.answer = serve(other);
  const refused = bring({ sha256: digestOf(file) });
  await expect(refused).rejects.toMatchObject({
    failure: { code: 'rejected.invalid', message: expect.stringContaining(`expected ${digestOf(file)}`) },
  });
  expect(existsSync(path) || existsSync(`${path}.part`)).toBe(false);
});

it('refuses what is no file of that kind with its first bytes', async () => {
  server.answer = (_, response) =>
    void response.writeHead(200).write('<!doctype html>\n<title>Log in</title>');
  await expect(bring()).rejects.toThrow('/m.gguf: no model');
  server.answer = (_, response) => void response.end('GG');
  await expect(bring()).rejects.toThrow('no model');
});

it('refuses what has another size than was told', async () => {
  server.answer = serve(file);
  await expect(bring({ bytes: 12 })).rejects.toThrow(`has ${file.length} bytes, expected 12`);
});

it('gives up where a connection breaks again and again', async () => {
  server.answer = (_, response) => response.destroy();
  await expect(bring()).rejects.toThrow('was not reached: the connection was closed in the middle');
  // Somewhat further each time, and never far.
  server.answer = serve(file, { upTo: some, ranges: false });
  await expect(bring()).rejects.toThrow('the connection was closed in the middle');
  expect(server.asked.length).toBeLessThan(12);
});

it.each([
  [404, 'rejected.not-found', 'there is no http'],
  [401, 'rejected.forbidden', 'set HF_TOKEN'],
  [500, 'execution.input', 'answered with HTTP 500, expected the file'],
  [418, 'execution.input', 'answered with HTTP 418'],
])('tells what a status of %i means', async (status, code, words) => {
  server.answer = (_, response) => void response.writeHead(status).end('no');
  await expect(bring()).rejects.toMatchObject({ failure: { code, message: expect.stringContaining(words) } });
  expect(server.asked).toHaveLength(status === 500 ? 4 : 1);
});

it('follows where it is led, and not for ever', async () => {
  server.answer = (request, response) => {
    if (request.url === '/there') serve(file)(request, response);
    else response.writeHead(302, { location: '/there' }).end();
  };
  expect(await bring()).toBe(digestOf(file));
  server.answer = (_, response) => void response.writeHead(302, { location: '/m.gguf' }).end();
  await expect(bring({ path: join(folder, 'round') })).rejects.toThrow('leads on more than 8 times');
  server.answer = (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  await expect(bring({ path: join(folder, 'out') })).rejects.toThrow('leads on to file:///etc/passwd');
});

it('gives up a server that draws it out', async () => {
  server.answer = (_, response) => {
    response.writeHead(200);
    const drops = setInterval(() => response.write('G'.repeat(16)), 5);
    response.once('close', () => clearInterval(drops));
  };
  let now = 0;
  const hurried: Clock = {
    mono: () => {
      now += 20_000;
      return now;
    },
    wall: () => 0,
  };
  await expect(bring({ amiss: () => '' }, { clock: hurried })).rejects.toThrow(
    'moves less than 64 KiB in 60 s',
  );
});

it('looks at the room of the disk before anything comes', async () => {
  server.answer = serve(file);
  await expect(bring({}, { roomOf: async () => 256 * 1024 ** 2 + 100 })).rejects.toMatchObject({
    failure: { code: 'rejected.limit', message: expect.stringContaining('are still to come') },
  });
  expect(existsSync(`${path}.part`)).toBe(false);
});

it('says that nobody is there', async () => {
  const gone = await WebServer.open();
  const url = gone.url('/m.gguf');
  await gone.close();
  await expect(bring({ url })).rejects.toThrow(`${url.host} was not reached: nobody listens there`);
});
