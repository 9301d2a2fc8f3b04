/** Engines of one home: programs that say what a llama-server says, and archives of them from a server on this machine. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../program.ts';
import { openTerminal } from '../terminal.ts';
import { archiveNameOf, engineNameOf } from './added-engines.ts';

const script = (version: string) => `#!/bin/sh
case "$1" in
--version) echo "version: ${version}" >&2;;
--help) printf -- '--model FNAME\\n--host HOST  or path of a UNIX socket\\n--api-key-file F\\n--metrics\\n';;
esac
`;

let home: string;
let server: Server;
let files: Map<string, Buffer | string>;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'gg-engines-'));
  files = new Map();
  server = createServer(({ url = '' }, response) => {
    const found = files.get(url);
    response.writeHead(found === undefined ? 404 : 200).end(found);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  rmSync(home, { recursive: true });
});

const at = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

async function engine(...args: string[]) {
  const said = { stdout: '', stderr: '' };
  const to = (name: 'stdout' | 'stderr') =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        said[name] += chunk.toString();
        done();
      },
    });
  const env = { GRID_HOME: home, PATH: process.env.PATH, GRID_LLAMA_RELEASES: at('/releases') };
  const code = await run(openTerminal(to('stdout'), to('stderr'), env), ['engine', ...args]);
  return { code, ...said };
}

const list = () =>
  (JSON.parse(readFileSync(join(home, 'engines.json'), 'utf8')) as { engines: object[] }).engines;

function program(name: string, text: string): string {
  const folder = join(home, name, 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'llama-server'), text, { mode: 0o755 });
  return join(folder, 'llama-server');
}

function archive(version: string): { readonly bytes: Buffer; readonly sha256: string } {
  program(`llama-${version}`, script(version));
  const bytes = execFileSync('tar', ['-C', home, '-cz', `llama-${version}`], { maxBuffer: 2 ** 20 });
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

describe('a program that is here', () => {
  it('is added before the others by its folder, and removed by its name', async () => {
    const [one, two] = [program('llama-b1', script('1')), program('llama-b2', script('2'))];
    expect(await engine('add', one)).toMatchObject({
      code: 0,
      stdout: `llama-b1 is there: ${one} 1, computes on cpu\n`,
    });
    expect((await engine('add', two, '--name', 'mine', '--json')).stdout).toBe(
      `${JSON.stringify({ name: 'mine', path: two, version: '2', backends: ['cpu'] })}\n`,
    );
    expect(list()).toEqual([
      { name: 'mine', path: two },
      { name: 'llama-b1', path: one },
    ]);
    expect((await engine('rm', 'mine')).code).toBe(0);
    expect(list()).toEqual([{ name: 'llama-b1', path: one }]);
    // It is its owner's, and stays.
    expect(existsSync(two)).toBe(true);
  });

  it('is refused in the words of who asked it', async () => {
    expect(await engine('add', program('other', '#!/bin/sh\necho hello\n'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('it is no engine: '),
    });
    expect((await engine('add', join(home, 'nothing'))).code).toBe(2);
    expect(existsSync(join(home, 'engines.json'))).toBe(false);
  });

  it('that is not there cannot be removed', async () => {
    expect(await engine('rm', 'mine')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('none was added'),
    });
  });
});

describe('an archive', () => {
  it('is held to its digest, unpacked, asked what it is, and removed with what was unpacked', async () => {
    const { bytes, sha256 } = archive('b7');
    files.set('/llama-b7.tar.gz', bytes);
    const other = await engine('install', '--url', at('/llama-b7.tar.gz'), '--sha256', '0'.repeat(64));
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining(`has the sha-256 ${sha256}`) });
    const path = join(home, 'engines/llama-b7/llama-b7/bin/llama-server');
    expect(await engine('install', '--url', at('/llama-b7.tar.gz'), '--sha256', sha256)).toMatchObject({
      code: 0,
      stdout: `llama-b7 is there: ${path} b7, computes on cpu\n`,
    });
    expect(list()).toEqual([{ name: 'llama-b7', path }]);
    expect(await engine('install', '--url', at('/llama-b7.tar.gz'), '--sha256', sha256)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('"grid engine rm llama-b7" removes it'),
    });
    expect((await engine('rm', 'llama-b7')).code).toBe(0);
    expect(list()).toEqual([]);
    expect(readdirSync(join(home, 'engines')).filter((name) => !name.startsWith('.engines'))).toEqual([]);
  });

  it('of a release is found for this machine, with the digest that the list has', async () => {
    const { bytes, sha256 } = archive('b8');
    const name = `llama-b8-bin-ubuntu-vulkan-${process.arch}.tar.gz`;
    const asset = { name, browser_download_url: at('/b8'), digest: `sha256:${sha256}` };
    files.set('/b8', bytes);
    files.set(
      '/releases/tags/b8',
      JSON.stringify({ assets: [{ ...asset, name: 'llama-b8-bin-win-x64.zip' }, asset] }),
    );
    expect((await engine('install', '--release', 'b8')).stderr).toContain(
      `b8 has no archive for ubuntu-${process.arch}: it has ${name}`,
    );
    const args = ['install', '--release', 'b8', '--backend', 'vulkan', '--name', 'fast'];
    expect(await engine(...args)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('fast is there: '),
    });
    expect((await engine('install', '--release', 'b9')).stderr).toContain('there is no ');
    files.set('/releases/tags/b8', JSON.stringify({ assets: [{ ...asset, digest: null }] }));
    expect((await engine('install', '--release', 'b8', '--backend', 'vulkan')).stderr).toContain(
      'without a sha-256',
    );
  });

  it('whose program cannot be used is not kept', async () => {
    mkdirSync(join(home, 'x'));
    writeFileSync(join(home, 'x/llama-server'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const bytes = execFileSync('tar', ['-C', home, '-cz', 'x']);
    files.set('/x.tgz', bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(await engine('install', '--url', at('/x.tgz'), '--sha256', sha256)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('it is no engine: '),
    });
    expect(existsSync(join(home, 'engines/x'))).toBe(false);
  });

  it.each([
    [[], 'one of --release and --url'],
    [['--url', 'https://host/x.zip'], '--sha256 is missing'],
    [['--url', 'ftp://host/x.zip'], 'expected an address that begins with https://'],
    [['--release', 'b7', '--url', 'https://host/x.zip'], 'one of --release and --url'],
  ])('is not guessed: %j', async (args, words) => {
    expect(await engine('install', ...args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(words),
    });
  });
});

it('is named by what tells most', () => {
  expect(engineNameOf('/opt/llama-b7/build/bin/llama-server')).toBe('llama-b7');
  expect(engineNameOf('/usr/local/bin/llama-server')).toBe('engine');
  expect(archiveNameOf(new URL('https://host/a/llama-b7-bin-ubuntu-x64.tar.gz?x=1'))).toBe(
    'llama-b7-bin-ubuntu-x64',
  );
});
