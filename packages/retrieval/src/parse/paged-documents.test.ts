import { zipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { docxOf, paragraph, pdfBomb, pdfOf } from './made-documents.fixture.ts';
import { DocumentParser } from './parse-document.ts';

const parser = new DocumentParser(() => performance.now());
afterAll(() => parser.close());

const parsed = async (path: string, bytes: Uint8Array) => {
  const found = await parser.parse(path, bytes);
  if (found.kind === 'refused') throw new Error(found.reason);
  return found;
};
const reason = async (path: string, bytes: Uint8Array) => {
  const found = await parser.parse(path, bytes);
  return found.kind === 'refused' ? found.reason : found;
};
const page = (...texts: readonly string[]) => texts.map((text, at) => ({ text, size: 10, y: 700 - at * 12 }));

describe('PDF', () => {
  it('by its pages, headings and paragraphs', async () => {
    const first = [
      { text: 'On walruses', size: 20, y: 740 },
      { text: 'A walrus swims, and it is remark-', size: 10, y: 700 },
      { text: 'able how far.', size: 10, y: 688 },
      { text: 'Another paragraph.', size: 10, y: 640 },
    ];
    const found = await parsed('a.pdf', pdfOf([first, page('The next page.')], 'Sea'));
    expect(found).toEqual({
      kind: 'parsed',
      title: 'Sea',
      notes: [],
      chunks: [
        {
          text: 'On walruses\nA walrus swims, and it is remarkable\nhow far.\nAnother paragraph.',
          ...{ startLine: 1, endLine: 4, headings: ['On walruses'], symbols: [], place: 'page 1' },
        },
        {
          text: 'The next page.',
          ...{ startLine: 1, endLine: 1, headings: ['On walruses'], symbols: [], place: 'page 2' },
        },
      ],
    });
  });

  it('without a title has that of its first heading, or none', async () => {
    const heading = { text: 'Large', size: 24, y: 760 };
    expect((await parsed('a.pdf', pdfOf([[heading, ...page('some text below it')]]))).title).toBe('Large');
    expect((await parsed('a.pdf', pdfOf([page('text')]))).title).toBeNull();
  });

  it('that cannot be read says why', async () => {
    expect(await reason('a.pdf', Buffer.from('no PDF'))).toMatch('it is not a PDF that can be read: ');
    expect(await reason('a.pdf', pdfOf([[], []]))).toBe(
      'there is no text in its 2 pages: pictures are not read',
    );
    const whole = pdfOf([page('a walrus')]);
    for (const end of [20, 300, whole.byteLength - 40]) {
      const found = await parser.parse('a.pdf', whole.slice(0, end));
      expect(found.kind === 'refused' || found.chunks.length > 0).toBe(true);
    }
  });

  it('is read as far as time and text go, with a note', async () => {
    const pages = pdfOf([page('one'), page('two'), page('three')]);
    let now = 0;
    const hasty = new DocumentParser(() => (now += 1000), { documentMs: 1500 });
    expect(await hasty.parse('a.pdf', pages)).toMatchObject({
      notes: ['only the first 1 of 3 pages were read'],
      chunks: [{ text: 'one' }],
    });
    const little = new DocumentParser(() => 0, { maxTextChars: 4 });
    expect(await little.parse('a.pdf', pages)).toMatchObject({
      notes: ['only the first 2 of 3 pages were read'],
    });
  });

  it('that unpacks to much more than it is, but not too much, has no text', async () => {
    expect(await reason('a.pdf', pdfBomb(1_000_000))).toMatch('there is no text');
  });
});

describe('Word', () => {
  it('by headings, paragraphs and rows, counted by paragraphs', async () => {
    const table = `<w:tbl><w:tr><w:tc>${paragraph('name')}</w:tc><w:tc>${paragraph('ann')}</w:tc></w:tr></w:tbl>`;
    const body = [
      paragraph('One', 'Heading1'),
      paragraph('A &amp; b<w:tab/>c.'.replace('<w:tab/>', '</w:t><w:tab/><w:t>')),
      '<w:p><w:r><w:delText>what was deleted</w:delText></w:r></w:p>',
      paragraph('Two', 'heading 2'),
      table,
      paragraph('Three', 'Heading1'),
      paragraph('The end.'),
    ];
    const found = await parsed('a.docx', docxOf(body.join('')));
    expect(found.title).toBe('One');
    expect(
      found.chunks.map(({ text, startLine, endLine, headings }) => [text, startLine, endLine, headings]),
    ).toEqual([
      ['One\nA & b\tc.', 1, 2, ['One']],
      ['Two\n\nname | ann', 4, 6, ['One', 'Two']],
      ['Three\nThe end.', 7, 8, ['Three']],
    ]);
    expect((await parsed('a.docx', docxOf(paragraph('text'), 'Its &lt;title&gt;'))).title).toBe(
      'Its <title>',
    );
  });

  it('that cannot be read says why', async () => {
    expect(await reason('a.docx', Buffer.from('no archive'))).toMatch(
      'it is not a Word document that can be read: ',
    );
    expect(await reason('a.docx', zipSync({ 'a.txt': new Uint8Array(3) }))).toBe(
      'it is not a Word document: there is no word/document.xml in it',
    );
    const deep = docxOf('<w:r>'.repeat(200_000));
    expect(await reason('a.docx', deep)).toBe('it is nested too deep');
  });

  it('that unpacks to more than the limit, or says that it does not, is not unpacked', async () => {
    const bomb = Buffer.from(docxOf(' '.repeat(40_000_000)));
    expect(bomb.byteLength).toBeLessThan(100_000);
    expect(await reason('a.docx', bomb)).toMatch(
      /its text unpacks to 400000\d\d bytes, over the limit of 16777216/,
    );
    // The size in the archive's directory is what is believed, and all that is then unpacked.
    const size = Buffer.from(Uint32Array.of(bomb.readUInt32LE(22)).buffer);
    for (let at = bomb.indexOf(size); at !== -1; at = bomb.indexOf(size)) bomb.writeUInt32LE(1000, at);
    const found = await parser.parse('a.docx', bomb);
    expect(found.kind === 'refused' || found.chunks.length === 0).toBe(true);
  });
});

it('a page of HTML is read in the encoding that it names, and in none other', async () => {
  const head = '<meta http-equiv="content-type" content="text/html; charset=windows-1252">';
  const latin = (text: string) => Buffer.from(text, 'latin1');
  expect(await parsed('a.html', latin(`${head}<p>Caf\xe9</p>`))).toMatchObject({
    chunks: [{ text: 'Café' }],
  });
  expect(await reason('a.html', latin('<p>Caf\xe9</p>'))).toBe('it is not valid UTF-8');
  expect(await reason('a.html', latin('<meta charset=nonsense><p>Caf\xe9</p>'))).toBe(
    'it is neither valid UTF-8 nor nonsense, which it names',
  );
});

it('JSON lines are records', async () => {
  const text = '{"name":"ann"}\n\n{"name":"bob"}\n';
  expect(await parsed('a.jsonl', Buffer.from(text))).toMatchObject({
    chunks: [{ startLine: 1, endLine: 3, text: '{"name":"ann"}\n\n{"name":"bob"}' }],
  });
  expect((await parsed('a.ndjson', Buffer.from('{\n}'))).notes).toEqual([
    'parted by lines: it is not JSON lines',
  ]);
});
