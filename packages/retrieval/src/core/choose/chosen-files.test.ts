/** Which files a choice means, and that no pattern takes long. */
import { expect, it } from 'vitest';
import { chooserOf } from './chosen-files.ts';

const of = (path: string, machine = 'forge') => `${machine}\n${path}`;

it.each<[string, readonly string[], readonly string[]]>([
  [
    'docs/**',
    ['/src/docs/a.md', '/docs/b/c/d.md', 'git+file:///r@main/docs/a.md'],
    ['/src/docs.md', '/mydocs/a'],
  ],
  ['docs/', ['/src/docs/a.md'], ['/src/docs2/a.md']],
  ['*.md', ['/a.md', '/x/.md'], ['/a.mdx', '/a.md/b']],
  ['/src/*.ts', ['/src/a.ts'], ['/src/x/a.ts', '/x/src/a.ts']],
  ['/src/**/*.ts', ['/src/a.ts', '/src/x/y/a.ts'], ['/src/a.js']],
  ['a?c', ['/abc', '/aäc', '/a😀c'], ['/ac', '/a/c']],
  ['*a*b*', ['/xaxbx', '/ab'], ['/ba']],
  ['**/x/**/y', ['/x/y', '/a/x/b/c/y'], ['/y/x']],
  ['[a].md', ['/[a].md'], ['/a.md']],
])('%s', (glob, meant, others) => {
  const chosen = chooserOf({ paths: [glob] });
  expect([...meant, ...others].filter((path) => chosen(of(path)))).toEqual(meant);
});

it('is by machine and ending too, and by one of each that is given', () => {
  const chosen = chooserOf({
    paths: ['a/**', 'b/**'],
    extensions: ['MD', 'ts'],
    machines: ['forge', 'anvil'],
  });
  const keys = [of('/a/x.md'), of('/b/x.TS', 'anvil'), of('/c/x.md'), of('/a/x.js'), of('/a/x.md', 'tongs')];
  expect(keys.filter(chosen)).toEqual(keys.slice(0, 2));
  expect(chooserOf({})('any')).toBe(true);
  expect(chooserOf({ machines: ['forge'] })('no machine')).toBe(false);
  expect(chooserOf({ paths: ['key'] })('key')).toBe(true);
});

it('takes no longer for what is written to take long', () => {
  const path = `/${'a'.repeat(2000)}/${'a/'.repeat(500)}b`;
  for (const glob of ['*a'.repeat(500), `${'**/a/'.repeat(200)}x`, `${'*'.repeat(1000)}x`])
    expect(chooserOf({ paths: [glob] })(of(path))).toBe(false);
});
