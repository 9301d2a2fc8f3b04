/** Models from a hub and from addresses: servers of this machine, that say what Hugging Face's say. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchModel, sourceOf } from './fetch-model.ts';
import { chosen, type HubFile } from './hub-files.ts';
import type { ModelSource } from './model-source.ts';
import { serve, WebServer } from './web-server.fixture.ts';

const secret = 'hf_nobodyElsesBusiness';
const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const parts = [Buffer.from(`GGUF${'first '.repeat(9000)}`), Buffer.from(`GGUF${'second '.repeat(9000)}`)];
const [one = Buffer.alloc(0)] = parts;

let home: string;
let hub: WebServer;
let mirror: WebServer;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'gg-fetch-'));
  [hub, mirror] = await Promise.all([WebServer.open(), WebServer.open()]);
});
afterEach(async () => {
  await Promise.all([hub.close(), mirror.close()]);
  rmSync(home, { recursive: true });
});

function named(text: string): ModelSource {
  const source = sourceOf(text);
  if (source === undefined) throw new Error(`${text} is a file`);
  return source;
}

const bring = (text: string, env: Record<string, string> = {}, sha256s: readonly string[] = []) =>
  fetchModel(named(text), { home, env: { HOME: home, HF_ENDPOINT: hub.origin, ...env }, sha256s });

const entry = (path: string, bytes: Buffer) => ({
  ...{ type: 'file', oid: '0'.repeat(40), size: bytes.length, path },
  lfs: { oid: digestOf(bytes), size: bytes.length, pointerSize: 134 },
});

/** Lists files on two pages, and leads to the mirror for each. */
function playHub(): void {
  hub.answer = ({ url = '' }, response) => {
    if (url.includes('/resolve/')) {
      response.writeHead(302, { location: `${mirror.origin}/${basename(url)}?permission=x` }).end();
      return;
    }
    const isFirst = !url.includes('cursor');
    const next = `${hub.origin}/api/models/org/repo/tree/main?recursive=true&cursor=2`;
    response.writeHead(200, isFirst ? { link: `<${next}>; rel="next"` } : {});
    const first = [
      { type: 'directory', oid: '', path: 'Q4' },
      { type: 'file', path: 'README.md' },
    ];
    const files = parts.map((bytes, at) => entry(`Q4/m-Q4_K_M-0000${at + 1}-of-00002.gguf`, bytes));
    response.end(JSON.stringify(isFirst ? first : [...files, entry('mmproj-F16.gguf', one)]));
  };
  mirror.answer = (request, response) =>
    serve(parts[request.url?.includes('00001') ? 0 : 1] ?? one)(request, response);
}

describe('a model of a hub', () => {
  it('comes with all its parts, and the token goes no further than the hub', async () => {
    playHub();
    const model = await bring('hf:org/repo:q4_k_m', { HF_TOKEN: `${secret}\n` });
    expect(basename(model.path)).toBe('m-Q4_K_M-00001-of-00002.gguf');
    expect(readFileSync(model.path)).toEqual(one);
    expect(readFileSync(join(dirname(model.path), 'm-Q4_K_M-00002-of-00002.gguf'))).toEqual(parts[1]);
    expect(model.sha256s).toEqual(parts.map(digestOf));
    expect(hub.asked.map(({ headers }) => headers.authorization)).toEqual(Array(4).fill(`Bearer ${secret}`));
    expect(mirror.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    expect(hub.asked[2]?.path).toBe('/org/repo/resolve/main/Q4/m-Q4_K_M-00001-of-00002.gguf');
    await model.discard();
    model.release();
    expect(existsSync(dirname(model.path))).toBe(false);
  });

  it('takes the token from the file where others keep it', async () => {
    playHub();
    writeFileSync(join(home, 'token'), secret);
    (await bring('hf:org/repo', { HF_TOKEN_PATH: join(home, 'token') })).release();
    expect(hub.asked[0]?.headers.authorization).toBe(`Bearer ${secret}`);
    await expect(bring('hf:org/repo', { HF_TOKEN: 'two words' })).rejects.toThrow('is no token');
  });

  it('is refused where the mirror sends something else', async () => {
    playHub();
    mirror.answer = serve(Buffer.from(one).fill('x', 100, 101));
    await expect(bring('hf:org/repo:Q4_K_M')).rejects.toThrow(`expected ${digestOf(one)}`);
  });

  it('is not brought twice at a time', async () => {
    playHub();
    const model = await bring('hf:org/repo');
    await expect(bring('hf:org/repo')).rejects.toThrow(`being brought already, by pid ${process.pid}`);
    model.release();
    (await bring('hf:org/repo')).release();
    expect(mirror.asked).toHaveLength(2);
  });

  it.each([
    ['no list', '<html>', 'something else than a list of files'],
    ['a list of nothing', '[]', 'org/repo has no GGUF files'],
    ['a list without end', undefined, 'a list of 10 pages'],
  ])('is refused with %s', async (_, text, words) => {
    hub.answer = (_request, response) => {
      const link = `<${hub.origin}/api/models/org/repo/tree/main?cursor=x>; rel="next"`;
      response.writeHead(200, text === undefined ? { link } : {}).end(text ?? '[]');
    };
    await expect(bring('hf:org/repo')).rejects.toThrow(words);
  });
});

describe('which model of a repository is meant', () => {
  const files = (...paths: string[]): HubFile[] => paths.map((path) => ({ path, bytes: 1, sha256: '' }));
  const all = files(
    'm-Q4_K_M.gguf',
    'm-Q8_0.gguf',
    'UD/m-UD-Q4_K_XL.gguf',
    'BF16/m-BF16-00001-of-00002.gguf',
  );
  const source = (which: string) => ({ kind: 'hub', repo: 'o/r', revision: 'main', which }) as const;

  it('is said by its quantization or its file', () => {
    expect(chosen(all, source('q8_0'))).toEqual([all[1]]);
    expect(chosen(all, source('UD/m-UD-Q4_K_XL.gguf'))).toEqual([all[2]]);
    expect(chosen([...all, ...files('BF16/m-BF16-00002-of-00002.gguf')], source('bf16'))).toHaveLength(2);
  });

  it.each([
    ['', 'has 4 that may be meant, name one of m-Q4_K_M.gguf, m-Q8_0.gguf'],
    ['Q2_K', 'has no Q2_K: it has m-Q4_K_M.gguf'],
    ['BF16', 'has 1 of the 2 parts of BF16/m-BF16.gguf'],
  ])('and not by "%s"', (which, words) => {
    expect(() => chosen(all, source(which))).toThrow(words);
  });
});

describe('a model of an address', () => {
  it('comes over plain http with its digest alone', async () => {
    mirror.answer = serve(one);
    const address = `${mirror.origin}/tiny-q8_0.gguf?download=true`;
    await expect(bring(address)).rejects.toThrow('plain http, where anybody may have changed it');
    expect(mirror.asked).toEqual([]);
    const model = await bring(address, { HF_TOKEN: secret }, [digestOf(one)]);
    expect(basename(model.path)).toBe('tiny-q8_0.gguf');
    expect(mirror.asked[0]?.headers.authorization).toBeUndefined();
    model.release();
  });

  it('that is split has a digest for each part', async () => {
    mirror.answer = (request, response) =>
      serve(parts[request.url?.includes('00001') ? 0 : 1] ?? one)(request, response);
    const address = `${mirror.origin}/m-00002-of-00002.gguf`;
    await expect(bring(address, {}, [digestOf(one)])).rejects.toThrow('1 of --sha256 for 2 files');
    const model = await bring(address, {}, parts.map(digestOf));
    expect(basename(model.path)).toBe('m-00001-of-00002.gguf');
    model.release();
  });

  it.each([
    ['<!doctype html><title>Log in</title>', 'found a page for people, expected a GGUF file'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0', 'found a pointer of Git LFS'],
    ['PK and so on, of some length', 'found something else, expected a GGUF file'],
  ])('is refused where it gives %j', async (text, words) => {
    mirror.answer = serve(Buffer.from(text));
    await expect(bring(`${mirror.origin}/m.gguf`, {}, [digestOf(one)])).rejects.toThrow(words);
  });
});

it.each([
  ['hf:', 'expected hf:ORG/REPO:QUANT'],
  ['hf:org', 'expected hf:ORG/REPO:QUANT'],
  ['hf:org/repo:../x.gguf', 'expected hf:ORG/REPO:QUANT'],
  ['ftp://host/m.gguf', 'expected an address that begins with https://'],
  ['https://', 'expected an address that begins with https://'],
  ['https://me:secret@host/m.gguf', 'an address with a password in it'],
])('%s names no model', (text, words) => {
  expect(() => sourceOf(text)).toThrow(words);
});

it('what is no address is a file of this machine', () => {
  expect(sourceOf('./tiny.gguf')).toBeUndefined();
  expect(sourceOf('/a/b.gguf')).toBeUndefined();
});
