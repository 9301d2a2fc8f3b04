/** A redacted collection: what was taken out of its texts is in no byte of the service's files, and found and told all the same. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Failure, type RedactedKind, redactedKinds } from '@gryphgen/protocol';
import { RetrievalService, type SourceFile } from '@gryphgen/retrieval';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { docxOf, paragraph, pdfOf } from '../../packages/retrieval/src/parse/made-documents.fixture.ts';

/** Each reads documents in processes that are begun for it. */
vi.setConfig({ testTimeout: 120_000 });

const collection = 'letters';
const source = { machine: 'forge', path: '/letters' };
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
const maxBytes = 16_000;
const originals = /lovelace|example\.org|123 ?45|hunter2/i;
const names = ['Ada Lovelace'];
const texts: Readonly<Record<string, string | Uint8Array>> = {
  'a.md': '# To Ada Lovelace\n\nYour bill is late, ada.lovelace@example.org. Call +49 30 12345678.\n',
  'b.csv': 'who,mail\nAda Lovelace,ada.lovelace@example.org\nNobody,none\n',
  'c.docx': docxOf(`${paragraph('Ada Lovelace wrote of a walrus.')}${paragraph('password: hunter2horse')}`),
  'd.pdf': pdfOf([[{ text: 'A pelican for Ada Lovelace.', size: 10, y: 700 }]]),
  'ada.lovelace@example.org.txt': 'An ocelot.',
  'ADA.lovelace@example.org.txt': 'Another ocelot.',
};

let folder: string;
let service: RetrievalService;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-redact-'));
  await mkdir(join(folder, 'files'));
  service = await RetrievalService.open(join(folder, 'kept'));
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

function done<T extends object>(answer: T | Failure): T {
  if ('code' in answer) throw new Error((answer as Failure).message);
  return answer;
}

async function sync(of = texts, into = collection, mustRedact = false) {
  const files = Object.entries(of).map(async ([path, text]): Promise<SourceFile> => {
    const hash = createHash('sha256').update(text).digest('hex');
    const at = join(folder, 'files', hash);
    await writeFile(at, text);
    return { path, bytes: Buffer.byteLength(text), hash, at };
  });
  return await service.sync(into, source, await Promise.all(files), { ...ingesting, mustRedact });
}

const redact = (kinds: readonly RedactedKind[] = redactedKinds) =>
  service.redact({ op: 'redact', collection, kinds: [...kinds], names });

async function asked(text: string) {
  const query = { op: 'query', collection, text, count: 10, of: 'passages' } as const;
  return done(await service.query(query, maxBytes)).results;
}

async function told(text: string) {
  return done(await service.reveal({ op: 'reveal', collection, text }, maxBytes));
}

/** Files of the service that have an original in them, in the one case or the other. */
async function withOriginals(): Promise<readonly string[]> {
  const entries = await readdir(join(folder, 'kept'), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  expect(files.some((file) => file.endsWith('passages.sqlite'))).toBe(true);
  const found: string[] = [];
  for (const file of files)
    if (originals.test(file) || originals.test(await readFile(file, 'latin1'))) found.push(file);
  return found;
}

async function reopen(): Promise<void> {
  await service.close();
  service = await RetrievalService.open(join(folder, 'kept'));
}

it('has pseudonyms in place of subjects, by which they are found and told', async () => {
  expect(done(await redact())).toEqual({ kinds: [...redactedKinds].sort(), names: 1 });
  expect(done(await sync())).toMatchObject({ added: 6, failedFiles: 0 });
  // The log of the database has all of it, and is open.
  expect((await stat(join(folder, 'kept/passages.sqlite-wal'))).size).toBeGreaterThan(0);
  expect(await withOriginals()).toEqual([]);
  const found = await asked('ada.lovelace@example.org');
  expect(
    found
      .map((one) => one.source)
      .slice(0, 2)
      .sort(),
  ).toEqual(['/letters/a.md', '/letters/b.csv']);
  expect(JSON.stringify(found)).not.toMatch(originals);
  const [late] = await asked('late bill of Ada Lovelace');
  expect(late).toMatchObject({ source: '/letters/a.md', lines: [1, 3] });
  expect(await told(`${late?.title}: ${late?.text}`)).toEqual({
    text: expect.stringMatching(/^To Ada Lovelace: .*ada\.lovelace@example\.org\. Call \+49 30 12345678\./s),
    revealed: expect.any(Number),
    unknown: 0,
  });
  const ocelots = (await asked('ocelot')).map((one) => one.source).sort();
  expect(ocelots).toEqual([
    expect.stringMatching(/^\/letters\/EMAIL-[0-9a-f]{16}\.txt$/),
    expect.stringMatching(/^\/letters\/EMAIL-[0-9a-f]{16}\.txt~2$/),
  ]);
  const about = { op: 'feedback', collection, text: 'what does Ada Lovelace owe', verdict: 'good' } as const;
  done(await service.feedback({ ...about, path: '/letters/a.md' }));
  await reopen();
  expect(done(await sync())).toMatchObject({ unchanged: 6 });
  expect((await asked('walrus of ADA LOVELACE'))[0]).toMatchObject({ source: '/letters/c.docx' });
  expect(await withOriginals()).toEqual([]);
});

it('forgets a subject with what its pseudonym stood for', async () => {
  done(await redact());
  done(await sync());
  const [late] = await asked('late bill');
  const text = late?.text ?? '';
  const [mail = ''] = /EMAIL-[0-9a-f]{16}/.exec(text) ?? [];
  expect((await told(mail)).text).toBe('ada.lovelace@example.org');
  const forgotten = done(await service.forget(collection, 'Ada.Lovelace@example.org'));
  expect(forgotten).toMatchObject({ passages: 4, files: 2 });
  expect(forgotten.searched.every(({ found }) => found === 0)).toBe(true);
  expect(await told(mail)).toEqual({ text: mail, revealed: 0, unknown: 1 });
  // With the last file that has it goes what a pseudonym stands for.
  const [name = ''] = /NAME-[0-9a-f]{16}/.exec((await asked('walrus'))[0]?.text ?? '') ?? [];
  expect((await told(name)).text).toBe('Ada Lovelace');
  done(await sync({ 'e.md': 'A gnu.' }));
  expect(await told(name)).toMatchObject({ unknown: 1 });
});

it('is redacted from its first file on, in one way, until it is removed', async () => {
  done(await sync({ 'a.md': 'Ada Lovelace' }));
  expect(await redact()).toMatchObject({
    code: 'rejected.state',
    message: expect.stringContaining('read with nothing taken out: "grid rag rm letters"'),
  });
  expect(await sync({ 'a.md': 'Ada Lovelace' }, collection, true)).toMatchObject({ code: 'rejected.state' });
  done(await service.remove(collection, undefined));
  expect(await sync({ 'a.md': 'Ada Lovelace' }, collection, true)).toMatchObject({ code: 'rejected.state' });
  expect(service.names).toEqual([]);
  done(await redact());
  expect(await withOriginals()).toEqual([]);
  done(await sync(texts, collection, true));
  expect(done(await redact()).names).toBe(1);
  expect(await redact(['email'])).toMatchObject({ code: 'rejected.state' });
  expect(
    await service.redact({ op: 'redact', collection: 'x', kinds: ['name'], names: ['Al'] }),
  ).toMatchObject({
    code: 'rejected.invalid',
    message: expect.stringContaining('name 1 of the list'),
  });
  const [before] = await asked('late bill');
  done(await service.remove(collection, undefined));
  expect(await readdir(join(folder, 'kept/keys'))).toEqual([]);
  done(await redact());
  done(await sync());
  expect((await asked('late bill'))[0]?.text).not.toBe(before?.text);
});

it('without its key tells nothing, takes nothing, and still answers', async () => {
  done(await redact());
  done(await sync());
  const [late] = await asked('late bill');
  const key = join(folder, 'kept/keys/letters.key');
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  await rm(key);
  await reopen();
  const reveal = { op: 'reveal', collection, text: late?.text ?? '' } as const;
  for (const refused of [await service.reveal(reveal, maxBytes), await sync()])
    expect(refused).toMatchObject({
      code: 'rejected.state',
      message: expect.stringContaining(`expected it in ${key}`),
    });
  expect((await asked('late bill'))[0]?.text).toBe(late?.text);
  // Another key is no better, and a collection of the name begins anew when it was removed.
  await writeFile(key, `${'ab'.repeat(32)}\n`);
  expect(await service.reveal(reveal, maxBytes)).toMatchObject({ code: 'rejected.state' });
  done(await service.remove(collection, undefined));
  done(await redact());
  done(await sync());
  expect(await told(late?.text ?? '')).toMatchObject({ revealed: 0 });
});

it('killed while it ingests, it has left no original in any file', async () => {
  const child = fork(fileURLToPath(new URL('./retrieval-redacting.mjs', import.meta.url)), [folder], {
    execArgv: [],
  });
  const ended = once(child, 'exit');
  for (let round = 0; round < 2; round += 1) await once(child, 'message');
  child.kill('SIGKILL');
  await ended;
  expect(await withOriginals()).toEqual([]);
  await reopen();
  const [letter] = await asked('ada.lovelace@example.org');
  expect((await told(letter?.text ?? '')).text).toMatch(/ada\.lovelace@example\.org, \+49 30 1234567/);
  expect(await withOriginals()).toEqual([]);
});
