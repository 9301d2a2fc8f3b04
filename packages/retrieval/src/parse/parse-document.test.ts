import { afterAll, describe, expect, it } from 'vitest';
import { DocumentParser, type ParsedDocument } from './parse-document.ts';

const parser = new DocumentParser(() => performance.now());
afterAll(() => parser.close());

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (path: string, text: string) => parser.parse(path, bytes(text));
const parsed = async (path: string, text: string) => {
  const found = await parse(path, text);
  if (found.kind === 'refused') throw new Error(found.reason);
  return found;
};
const symbols = ({ chunks }: Extract<ParsedDocument, { kind: 'parsed' }>) =>
  chunks.filter((chunk) => chunk.symbols.length > 0).map((chunk) => chunk.symbols.join(' '));

describe('source code', () => {
  const cases: readonly (readonly [path: string, text: string, names: readonly string[]])[] = [
    ['a.py', '@dec\ndef f(a):\n  return 1\n\nclass A:\n  def m(self):\n    pass\n', ['f', 'A A.m']],
    [
      'a.ts',
      'export class A { m() {} }\nexport const g = () => 1;\ninterface I {}\nexport default function h() {}\nconst x = 1;',
      ['A A.m', 'g', 'I', 'h', 'x'],
    ],
    ['a.tsx', 'export function View() { return <p>x</p>; }', ['View']],
    ['a.mjs', 'function* gen() {}\nclass A { static m() {} }', ['gen', 'A A.m']],
    ['a.go', 'package a\nfunc F() {}\nfunc (t *T) M() {}\ntype T struct { a int }\n', ['F', 'M', 'T']],
    [
      'a.rs',
      'fn f() {}\nstruct S { a: i32 }\nimpl S { fn m(&self) {} }\nmod q { fn i() {} }',
      ['f', 'S', 'S S.m', 'q q.i'],
    ],
    ['A.java', 'class A {\n void m() {}\n enum E { X }\n}\n', ['A A.m A.E']],
    [
      'a.cpp',
      'namespace n { class A { void m() {} }; }\nvoid A::m() {}\ntemplate <class T> T h(T a) { return a; }\nint *p(int a) { return 0; }\n',
      ['n n.A n.A.m', 'A::m', 'h', 'p'],
    ],
    ['a.cs', 'namespace N { class A { void M() {} } }', ['N N.A N.A.M']],
    ['a.php', '<?php\nfunction f() {}\nclass A { function m() {} }\n', ['f', 'A A.m']],
    ['a.rb', 'module M\n class A\n  def m; end\n end\nend\n', ['M M.A M.A.m']],
    ['a.sh', 'f() { echo; }\n', ['f']],
    ['a.ps1', 'function F { 1 }\n', ['F']],
  ];
  it.each(cases)('%s by its declarations', async (path, text, names) => {
    expect(symbols(await parsed(path, text))).toEqual(names);
  });

  it('keeps the comments right above with a declaration, and all other lines', async () => {
    const { chunks } = await parsed(
      'a.ts',
      "import x from 'x';\n\n// far\n\n/** near */\n// too\nfunction f() {\n}\n\nf();\n",
    );
    expect(chunks.map(({ startLine, endLine }) => [startLine, endLine])).toEqual([
      [1, 3],
      [5, 8],
      [10, 10],
    ]);
  });

  it('parts a class that is too large into its members, by their full names', async () => {
    const method = (name: string) =>
      `  /** About ${name}. */\n  ${name}() {\n${'    work();\n'.repeat(80)}  }\n`;
    const found = await parsed('a.ts', `class Big {\n  field = 1;\n${method('one')}${method('two')}}\n`);
    expect(symbols(found)).toEqual(['Big', 'Big.one', 'Big.two']);
    expect(found.chunks.map(({ startLine, endLine }) => [startLine, endLine])).toEqual([
      [1, 2],
      [3, 85],
      [86, 168],
      [169, 169],
    ]);
  });

  it('declarations on one line are one chunk', async () => {
    expect(symbols(await parsed('a.js', 'function a() {} function b() {}'))).toEqual(['a b']);
  });

  it('falls back to lines when it does not parse, is too large or takes too long', async () => {
    const broken = await parsed('a.go', '}}} not ( go at all\n\n%%% %%%\n');
    expect(broken).toMatchObject({
      notes: ['parted by lines: it does not parse'],
      chunks: [{ startLine: 1, endLine: 3 }],
    });
    const small = new DocumentParser(() => 0, { maxParsedChars: 10 });
    expect(await small.parse('a.py', bytes('def f():\n  pass\n'))).toMatchObject({
      notes: ['parted by lines: over 10 characters of source'],
    });
    await small.close();
    let now = 0;
    const slow = new DocumentParser(() => (now += 10_000));
    const text = 'def f():\n  pass\n'.repeat(2000);
    expect(await slow.parse('a.py', bytes(text))).toMatchObject({
      notes: ['parted by lines: parsing took over 5000 ms'],
    });
    await slow.close();
  });

  it('a source without a grammar is parted by its lines without a word', async () => {
    expect(await parsed('a.zig', 'fn f() {}\n')).toMatchObject({
      notes: [],
      chunks: [{ text: 'fn f() {}' }],
    });
  });
});

describe('documents', () => {
  it('HTML: title, headings, paragraphs with their lines; no scripts', async () => {
    const text =
      '<!doctype html><title>The &amp; title</title>\n<script>var x = "<p>no</p>";</script>\n<h1>One</h1>\n' +
      '<p>First <b>bold</b>\n  text.</p>\n<h2>Two</h2><ul><li>a<li>b</ul>\n<pre>x\n  y</pre><style>p {}</style>';
    const found = await parsed('a.html', text);
    expect(found.title).toBe('The & title');
    expect(found.chunks.map(({ text, startLine, headings }) => [text, startLine, headings])).toEqual([
      ['One\nFirst bold text.', 3, ['One']],
      ['Two\na\nb\nx\n  y', 6, ['One', 'Two']],
    ]);
  });

  it('HTML: what is never closed, or nested without end', async () => {
    expect(await parsed('a.html', '<p>a<script>never closed')).toMatchObject({ chunks: [{ text: 'a' }] });
    expect((await parsed('a.html', `${'<div>'.repeat(20_000)}deep`)).notes[0]).toContain('nested too deep');
    expect((await parsed('a.html', '<p>x<br><img>\n'.repeat(20_000))).notes).toEqual([]);
  });

  it('CSV: rows with the names of their columns and the lines they stand on', async () => {
    const found = await parsed('a.csv', 'name,note\nann,"two\nlines"\nbob,x,more\n');
    expect(found.chunks).toMatchObject([
      { startLine: 2, endLine: 4, text: 'name: ann\nnote: two\nlines\nname: bob\nnote: x\ncolumn 3: more' },
    ]);
    expect((await parsed('a.csv', 'a,"b\n')).notes).toEqual(['parted by lines: it is not CSV']);
  });

  it('JSON: members with their lines, as they are written', async () => {
    const large = 'x'.repeat(1500);
    const text = `{\n "a": [1, {"}": "]"}],\n "b": "${large}",\n "c": {\n  "d": "\\""\n }\n}`;
    expect(
      (await parsed('a.json', text)).chunks.map(({ startLine, endLine }) => [startLine, endLine]),
    ).toEqual([
      [2, 2],
      [3, 3],
      [4, 6],
    ]);
    expect((await parsed('a.json', '"word"')).chunks).toMatchObject([{ text: '"word"' }]);
    expect((await parsed('a.json', '{"a": }')).notes).toEqual(['parted by lines: it is not JSON']);
    expect((await parsed('a.json', '[]')).chunks).toEqual([]);
  });

  it('notebooks: cells of both kinds, without outputs', async () => {
    const cells = [
      { cell_type: 'markdown', source: ['# Title\n', 'text'] },
      { cell_type: 'code', source: 'def f():\n  pass', outputs: [{ data: 'no' }] },
      null,
    ];
    expect(await parsed('a.ipynb', JSON.stringify({ cells }))).toMatchObject({
      title: 'Title',
      chunks: [
        { headings: ['Title'], place: 'cell 1', startLine: 1, endLine: 2 },
        { headings: ['Title'], place: 'cell 2', symbols: ['f'] },
      ],
    });
    expect((await parsed('a.ipynb', '{}')).notes).toEqual(['parted by lines: it is not a notebook']);
  });
});

describe('bad input', () => {
  const reason = async (path: string, content: Uint8Array) => {
    const found = await parser.parse(path, content);
    return found.kind === 'refused' ? found.reason : found;
  };

  it('is refused with a reason', async () => {
    expect(await reason('a.txt', Uint8Array.of(65, 0, 66))).toBe('it is binary: there are zero bytes in it');
    expect(await reason('a.md', Uint8Array.of(65, 0xc3, 0x28))).toBe('it is not valid UTF-8');
    expect(await reason('a.md', bytes('\u0001\u0002'.repeat(50)))).toBe(
      'it is binary: it is full of control characters',
    );
    expect(await reason('a.ODT', bytes('x'))).toBe('it is OpenDocument, which is not read');
    const small = new DocumentParser(() => 0, { maxBytes: 3 });
    expect(await small.parse('a.txt', bytes('four'))).toEqual({
      kind: 'refused',
      reason: 'it has 4 bytes, over the limit of 3',
    });
  });

  it('UTF-16 with its mark is read, and line breaks of all systems count alike', async () => {
    const wide = new Uint8Array([0xff, 0xfe, ...Buffer.from('é\r\n\r\nx\ry', 'utf16le')]);
    expect(await parser.parse('a.txt', wide)).toMatchObject({
      chunks: [{ text: 'é\n\nx\ny', startLine: 1, endLine: 4 }],
    });
    expect(await reason('a.txt', Uint8Array.of(0xff, 0xfe, 0x00, 0xd8))).toBe('it is not valid UTF-16LE');
  });

  it('a huge line is cut into pieces, and said to be', async () => {
    const found = await parsed('a.txt', 'word '.repeat(100_000));
    expect(found.notes).toEqual(['lines of over 20,000 characters were cut into pieces']);
    expect(Math.max(...found.chunks.map(({ text }) => text.length))).toBeLessThanOrEqual(2000);
  });

  it('nothing is nothing', async () => {
    for (const path of ['a.txt', 'a.md', 'a.html', 'a.csv', 'a.json', 'a.py', 'a.ipynb', 'x'])
      expect((await parsed(path, '')).chunks).toEqual([]);
  });
});
