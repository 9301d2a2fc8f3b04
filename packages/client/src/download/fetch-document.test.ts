/** Documents from a server of this machine: brought once, asked about after that, and called by what they are. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { documentAddress, documentName, fetchDocument } from './fetch-document.ts';
import { WebServer } from './web-server.fixture.ts';

let home: string;
let server: WebServer;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'gg-document-'));
  server = await WebServer.open();
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});

/** What is there now, and as what it is told. */
let page = { text: '', headers: {} as Record<string, string> };
function playPage(): void {
  server.answer = ({ headers: asked }, response) => {
    const { text, headers } = page;
    const isSame =
      (headers.etag !== undefined && asked['if-none-match'] === headers.etag) ||
      (headers['last-modified'] !== undefined && asked['if-modified-since'] === headers['last-modified']);
    if (isSame) response.writeHead(304).end();
    else response.writeHead(200, headers).end(text);
  };
}

async function fetched(path = '/guide'): Promise<{ text: string; name: string }> {
  const { path: at, name, release } = await fetchDocument(server.url(path), { home, env: {} });
  release();
  return { text: readFileSync(at, 'utf8'), name };
}

it.each([
  ['ETag', (version: number) => ({ etag: `"v${version}"` }), 'if-none-match'],
  [
    'time',
    (version: number) => ({ 'last-modified': `Mon, 0${version} Jan 2026 00:00:00 GMT` }),
    'if-modified-since',
  ],
])('a document is brought again when it has changed, by its %s', async (_, told, asked) => {
  playPage();
  const headers = (version: number) => ({ ...told(version), 'content-type': 'text/html; charset=utf-8' });
  page = { text: '<h1>One</h1>', headers: headers(1) };
  expect(await fetched()).toEqual({ text: '<h1>One</h1>', name: 'guide.html' });
  // It is not sent again, and still called by its kind.
  expect(await fetched()).toEqual({ text: '<h1>One</h1>', name: 'guide.html' });
  expect(server.asked.map(({ headers: had }) => had[asked] !== undefined)).toEqual([false, true]);
  page = { text: '<h1>Two</h1>', headers: headers(2) };
  expect(await fetched()).toEqual({ text: '<h1>Two</h1>', name: 'guide.html' });
});

it('of which nothing tells whether it has changed is brought each time', async () => {
  playPage();
  page = { text: 'one', headers: { etag: 'W/"weak"' } };
  expect(await fetched('/notes.md')).toEqual({ text: 'one', name: 'notes.md' });
  page = { text: 'two', headers: {} };
  expect((await fetched('/notes.md')).text).toBe('two');
});

it('that is not there, or larger than a document, is told as that, and nothing is left locked', async () => {
  await expect(fetched()).rejects.toMatchObject({ code: 'rejected.not-found' });
  server.answer = (_, response) => {
    response.writeHead(200, { 'content-length': limits.documentBytes + 1 }).flushHeaders();
  };
  await expect(fetched()).rejects.toMatchObject({ code: 'rejected.limit' });
  playPage();
  page = { text: 'here', headers: {} };
  expect((await fetched()).text).toBe('here');
});

it('is brought by one process at a time', async () => {
  playPage();
  const first = await fetchDocument(server.url('/a'), { home, env: {} });
  await expect(fetched('/a')).rejects.toThrow('it is being brought already');
  first.release();
});

it.each([
  ['https://host/docs/install', 'text/html', 'install.html'],
  ['https://host/docs/', 'text/html', 'docs.html'],
  ['https://host.example.com/', 'text/html', 'host.example.com.html'],
  ['https://host/a.htm', 'text/html', 'a.htm'],
  ['https://host/index.php?page=2', 'text/html', 'index.php.html'],
  ['https://host/raw/main/run.py', 'text/plain', 'run.py'],
  ['https://host/LICENSE', 'text/plain', 'LICENSE.txt'],
  ['https://host/notes.ipynb', 'application/json', 'notes.ipynb'],
  ['https://host/paper', 'application/pdf', 'paper.pdf'],
  ['https://host/x.md', '', 'x.md'],
  ['https://host/a%20b%2F..%2Fc.md', '', 'c.md'],
  ['https://host/%E4%B8%AD', 'text/html', 'page.html'],
  [`https://host/${'n'.repeat(400)}.md`, '', `${'n'.repeat(147)}.md`],
])('%s, as %s, is called %s', (address, type, name) => {
  expect(documentName(new URL(address), type)).toBe(name);
});

it('an address is known without what is behind a "#", and is of a kind that can be trusted', () => {
  expect(documentAddress('https://Host/a?b=1#c')?.href).toBe('https://host/a?b=1');
  expect(documentAddress('http://127.0.0.1:8080/a')?.href).toBe('http://127.0.0.1:8080/a');
  expect(documentAddress('./docs')).toBeUndefined();
  expect(documentAddress('git+file:///src@main')).toBeUndefined();
  for (const [text, words] of [
    ['http://host/a', /plain http.*expected https/],
    ['https://ann:secret@host/', /password/],
    ['https://', /expected https:/],
    [`https://host/${'a'.repeat(2000)}`, /at most 1024/],
  ] as const)
    expect(() => documentAddress(text), text).toThrow(words);
});
