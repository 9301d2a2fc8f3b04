/** What README and docs/ name is there: files, commands with their flags, npm scripts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { run } from './program.ts';
import { openTerminal } from './terminal.ts';

const root = join(import.meta.dirname, '../../..');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

const named = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('    '));
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return [...lines, ...spans].map((code) => ({ page, code: code.replace(/\s#.*$/, '').trim() }));
});

async function helpOf(path: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  let text = '';
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  const code = await run(openTerminal(sink, sink, {}), [...path, '--help']);
  return { code, text };
}

it.each(pages)('%s links to what is there', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link = '']) => link);
  const local = links.filter((link) => !/^https?:/.test(link));
  expect(local.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

it('paths are there', () => {
  const paths = named.filter(({ code }) =>
    /^(\.\/)?(packages|test|docs|scripts|deploy)\/[\w./-]+$/.test(code),
  );
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter(({ code }) => !existsSync(join(root, code)))).toEqual([]);
});

it('npm scripts are there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const used = named.flatMap(({ code }) => /^npm run ([\w:]+)/.exec(code)?.[1] ?? []);
  expect(used.length).toBeGreaterThan(5);
  expect(used.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

it('commands of grid are there, with their flags', async () => {
  const used = named.flatMap(({ page, code }) => {
    const line = /^(?:sudo )?(?:npx )?grid ([a-z].*)$/.exec(code)?.[1];
    return line === undefined ? [] : [{ page, line }];
  });
  expect(used.length).toBeGreaterThan(30);
  const wrong: string[] = [];
  for (const { page, line } of used) {
    const words = (line.split(' -- ')[0] ?? '').split(/\s+/);
    const groups = [
      'node',
      'config',
      'image',
      'ticket',
      'principal',
      'rag',
      'service',
      'audit',
      'models',
      'engine',
      'key',
    ];
    const isGroup = groups.includes(words[0] ?? '');
    const { code, text } = await helpOf(words.slice(0, isGroup && words.length > 1 ? 2 : 1));
    const flags = words.filter((word) => /^-(-[a-z]|[a-z]$)/.test(word));
    const unknown = flags.filter((flag) => !new RegExp(`(^|[ ,])${flag}([ ,]|$)`, 'm').test(text));
    if (code !== 0 || unknown.length > 0) wrong.push(`${relative(root, page)}: grid ${line}`);
  }
  expect(wrong).toEqual([]);
});
