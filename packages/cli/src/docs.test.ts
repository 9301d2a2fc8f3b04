/** What README and docs/ name is there: files, commands with their flags, npm scripts. So are commands that the programs' own words name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  expect(await unknownOf(used)).toEqual([]);
});

it('commands that errors and advice name are there', async () => {
  const sources = readdirSync(join(root, 'packages'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => /^[a-z]+\/src\/.*\.ts$/.test(name) && !name.endsWith('.test.ts'),
  );
  const used = sources.flatMap((source) => {
    const page = join('packages', source);
    const quoted = readFileSync(join(root, page), 'utf8').matchAll(/"grid ([a-z][^"\n]*)"/g);
    return [...quoted].flatMap(([, line = '']) => (/^[a-z]+(?: |$)/.test(line) ? [{ page, line }] : []));
  });
  expect(used.length).toBeGreaterThan(30);
  expect(await unknownOf(used)).toEqual([]);
});

async function unknownOf(
  used: readonly { readonly page: string; readonly line: string }[],
): Promise<readonly string[]> {
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
    const path = words.slice(0, isGroup && words.length > 1 ? 2 : 1);
    const { code, text } = await helpOf(path);
    // A group that does not know the word tells of itself.
    const isThere = code === 0 && `${text.split('\n')[0]} `.startsWith(`Usage: grid ${path.join(' ')} `);
    const flags = words.filter((word) => /^-(-[a-z]|[a-z]$)/.test(word));
    const unknown = flags.filter((flag) => !new RegExp(`(^|[ ,])${flag}([ ,]|$)`, 'm').test(text));
    if (!isThere || unknown.length > 0) wrong.push(`${page}: grid ${line}`);
  }
  return wrong;
}
