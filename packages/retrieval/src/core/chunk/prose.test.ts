import { expect, it } from 'vitest';
import { markdown, plainText } from './prose.ts';

const shown = (text: string) =>
  markdown(text).blocks.map(({ headings, startLine, endLine }) => [headings.join(' > '), startLine, endLine]);

it('parts Markdown by headings of both forms and by paragraphs', () => {
  const text = '# One\n\ntext\nmore\n\n## Two\nx\n\nThree\n-----\ny\n\nFour\n====\nz';
  expect(shown(text)).toEqual([
    ['One', 1, 1],
    ['One', 3, 4],
    ['One > Two', 6, 7],
    ['One > Three', 9, 11],
    ['Four', 13, 15],
  ]);
  expect(markdown(text).title).toBe('One');
});

it('sees no heading in a fence, a list, a rule or a long line, and keeps a fence whole', () => {
  expect(shown('# A\n```sh\n# no\n\n# no\n```\n- item\n---\n\n---\n')).toEqual([
    ['A', 1, 8],
    ['A', 10, 10],
  ]);
  expect(shown(`# ${'x'.repeat(400)}`)).toEqual([['', 1, 1]]);
});

it('does not end a fence at a shorter or another mark', () => {
  expect(shown('````\n```\n# no\n~~~\n````\n# yes')).toEqual([
    ['', 1, 5],
    ['yes', 6, 6],
  ]);
});

it('takes the title of front matter, and does not show it as text', () => {
  const text = '---\ntitle: "The title"\ntags: x\n---\n# Other\nbody';
  expect(markdown(text)).toMatchObject({
    title: 'The title',
    blocks: [{ startLine: 5, headings: ['Other'] }],
  });
});

it('takes linear time on what is nothing but marks', () => {
  for (const mark of ['#', '`', '=', '-', '> ', '* '])
    expect(markdown(mark.repeat(500_000)).blocks).toHaveLength(1);
  expect(markdown('# \n'.repeat(100_000)).blocks.length).toBeGreaterThan(0);
});

it('calls plain text by its first line', () => {
  expect(plainText('\nA title\n\nText.')).toMatchObject({
    title: 'A title',
    blocks: [{ startLine: 2 }, { startLine: 4 }],
  });
  expect(plainText('').title).toBe(null);
});
