/** What a document does to the process that reads it, it does to nobody else. */
import { readdirSync, readFileSync } from 'node:fs';
import { ProcessParser } from '@gryphgen/retrieval';
import { afterEach, expect, it } from 'vitest';
import { docxOf, pdfBomb, pdfOf } from '../../packages/retrieval/src/parse/made-documents.fixture.ts';

const MiB = 1024 ** 2;
const bytes = (text: string) => Buffer.from(text);
let parser: ProcessParser;
afterEach(() => parser.close());

/** Processes of this one that parse. */
function parsing(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return [];
    try {
      const parent = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1];
      const isOurs = parent === String(process.pid);
      return isOurs && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('parse-process')
        ? [Number(name)]
        : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

const goesOn = async () =>
  expect(await parser.parse('a.md', bytes('# One\n\ntext'))).toMatchObject({ kind: 'parsed', title: 'One' });

it('documents of all kinds are read in one process, which ends with who began it', async () => {
  parser = new ProcessParser();
  const page = [{ text: 'A walrus.', size: 10, y: 700 }];
  const all = await Promise.all([
    parser.parse('a.pdf', pdfOf([page])),
    parser.parse('a.docx', docxOf('<w:p><w:r><w:t>A walrus.</w:t></w:r></w:p>')),
    parser.parse('a.ts', bytes('function f() {}')),
    parser.parse('a.md', bytes('\0')),
  ]);
  expect(all.map(({ kind }) => kind)).toEqual(['parsed', 'parsed', 'parsed', 'refused']);
  expect(parsing()).toHaveLength(1);
  expect(readFileSync(`/proc/${parsing()[0]}/environ`, 'utf8')).not.toContain('PATH=');
  await parser.close();
  expect(parsing()).toEqual([]);
});

it('a document that takes too long is given up, and the next is read', async () => {
  parser = new ProcessParser({ documentMs: 5000 });
  await goesOn();
  // Operators without end, of a few hundred kilobytes.
  expect(await parser.parse('bomb.pdf', pdfBomb(400 * MiB))).toEqual({
    kind: 'refused',
    reason: 'reading it takes over 5 s',
  });
  await goesOn();
});

it('a document that takes too much memory is given up with its process, and the next has another', async () => {
  parser = new ProcessParser({ residentMb: 200 });
  await goesOn();
  const [before] = parsing();
  expect(await parser.parse('bomb.pdf', pdfBomb(600 * MiB))).toEqual({
    kind: 'refused',
    reason: 'reading it takes over 200 MiB of memory',
  });
  await goesOn();
  expect(parsing()).not.toContain(before);
});

it('a process that is killed has not read what it was reading', async () => {
  parser = new ProcessParser();
  await goesOn();
  const [pid = 0] = parsing();
  const reading = parser.parse('bomb.pdf', pdfBomb(400 * MiB));
  process.kill(pid, 'SIGKILL');
  // Without a turn of this process's loop: what is handed over then is handed to one that has ended.
  while (!readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
  expect(await reading).toEqual({
    kind: 'refused',
    reason: 'it ended the process that reads (SIGKILL)',
  });
  await goesOn();
});

it('what is nested without end, or noise, is refused or parted by lines', async () => {
  parser = new ProcessParser();
  const deep = await parser.parse('deep.html', bytes('<div>'.repeat(200_000)));
  expect(deep).toMatchObject({ notes: expect.arrayContaining([expect.stringContaining('nested too deep')]) });
  const noise = Buffer.from(Array.from({ length: 1 << 16 }, (_, at) => (at * 7919 + (at >> 3)) % 256));
  for (const name of ['a.pdf', 'a.docx', 'a.html', 'a.csv', 'a.json', 'a.ipynb', 'a.txt'])
    expect(await parser.parse(name, noise)).toMatchObject({ kind: 'refused' });
  await goesOn();
});
