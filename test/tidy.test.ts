/**
 * Style as a test: the house rules that a reader would otherwise have to check by eye.
 *
 * Each rule runs twice: over the repository, where it must find nothing, and over a planted file, where it must find
 * exactly what was planted, so that a rule that has gone blind fails here.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { declaredDependencies, importDirections } from './tidy/directions.ts';
import { importsOf } from './tidy/imports.ts';
import { fileNames, longFiles, medianLength, oneLanguage, topLevel } from './tidy/layout.ts';
import { purity } from './tidy/purity.ts';
import { readSourceFiles, sourceFile } from './tidy/source-file.ts';
import { importExtensions, noBannedSyntax, onlyIndexIsBarrel } from './tidy/syntax.ts';
import type { Rule } from './tidy/violation.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const repository = readSourceFiles(root, ['packages', 'test', 'scripts']);

type Planted = {
  readonly bad: Readonly<Record<string, string>>;
  readonly good: Readonly<Record<string, string>>;
};

const lines = (count: number): string => 'export const x = 1;\n'.repeat(count);

const RULES: readonly (readonly [string, Rule, Planted])[] = [
  [
    'imports follow the allowed directions',
    importDirections,
    {
      bad: {
        'packages/protocol/src/a.ts': "import { x } from '@gryphgen/scheduler';",
        'packages/broker/src/a.ts': "import type { X } from '@gryphgen/worker';",
        'packages/broker/src/b.ts': "const x = await import('@gryphgen/client');",
        'packages/client/src/a.ts': "export { x } from '@gryphgen/broker';",
        'packages/cli/src/a.ts': "import { x } from '@gryphgen/testkit';",
        'packages/cli/src/b.ts': "import { x } from '@gryphgen/broker/dist/core/step.js';",
        'packages/worker/src/a.ts': "import { x } from '../../broker/src/x.ts';",
        'packages/runtime/src/a.ts': "import {\n  x,\n  y,\n} from '@gryphgen/runtime';",
        'packages/stranger/src/a.ts': "import '@gryphgen/protocol';",
      },
      good: {
        'packages/broker/src/c.ts': "import { x } from '@gryphgen/scheduler'; import fs from 'node:fs';",
        'packages/broker/src/core/c.fixture.ts': "import { x } from '@gryphgen/testkit';",
        'packages/broker/src/c.test.ts': "import { x } from '@gryphgen/testkit';",
        'packages/cli/src/c.ts':
          "// import { x } from '@gryphgen/testkit';\nimport { x } from './commands/d.ts';",
        'packages/cli/src/d.ts': 'const text = `import { x } from "@gryphgen/testkit"`;',
        'test/e2e/a.test.ts': "import { x } from '@gryphgen/testkit';",
      },
    },
  ],
  [
    'packages are written in .ts files, which the other rules see',
    oneLanguage,
    {
      bad: {
        'packages/broker/src/x.mts': "import { x } from '@gryphgen/worker';",
        'packages/client/src/x.tsx': "import { x } from '@gryphgen/worker';",
        'packages/cli/src/x.js': '',
      },
      good: { 'packages/cli/src/x.ts': '', 'packages/cli/bin/grid.js': '', 'test/bench/probe.mjs': '' },
    },
  ],
  [
    'package.json files declare only allowed siblings and exact versions',
    declaredDependencies,
    {
      bad: {
        'packages/client/package.json': '{"dependencies":{"@gryphgen/worker":"*"}}',
        'packages/broker/package.json': '{"dependencies":{"@gryphgen/testkit":"*"}}',
        'packages/worker/package.json': '{"devDependencies":{"undici":"^7.0.0"}}',
      },
      good: { 'packages/cli/package.json': '{"dependencies":{"@gryphgen/client":"*","yaml":"2.9.1"}}' },
    },
  ],
  [
    'pure code stays pure',
    purity,
    {
      bad: {
        'packages/broker/src/core/a.ts': "import { readFileSync } from 'node:fs';",
        'packages/broker/src/core/b.ts': "import { save } from '../journal.ts';",
        'packages/broker/src/core/c.ts': "import pino from 'pino';",
        'packages/worker/src/core/a.ts': 'const now = Date.now();',
        'packages/worker/src/core/b.ts': 'const now = new Date;',
        'packages/worker/src/core/c.ts': 'setTimeout(() => undefined, 1);',
        'packages/worker/src/core/d.ts': 'setImmediate(go);',
        'packages/scheduler/src/a.ts': 'const r = Math.random();',
        'packages/scheduler/src/b.ts': 'const e = process.env;',
        'packages/scheduler/src/c.ts': 'console.log(1);',
        'packages/scheduler/src/d.ts': 'const x = `$' + '{performance.now()}`;',
        'packages/protocol/src/a.ts': "import { link } from '@gryphgen/runtime';",
        'packages/broker/src/core/e.fixture.ts': 'beforeEach(() => reset());',
      },
      good: {
        'packages/broker/src/e.fixture.ts': 'beforeEach(() => reset());',
        'packages/broker/src/journal.ts': "import fs from 'node:fs'; const now = Date.now();",
        'packages/broker/src/core/d.ts':
          "import { x } from './c.ts'; /* Date.now() */ const s = 'Date.now()';",
        'packages/scheduler/src/e.ts':
          'export const kind = { process: 1 }; export const p = task.process.id;',
        'packages/scheduler/src/e.test.ts': 'const now = Date.now();',
      },
    },
  ],
  [
    'files are named for what they export',
    fileNames,
    {
      bad: {
        'packages/broker/src/leaseTable.ts': '',
        'packages/broker/src/utils.ts': '',
        'packages/broker/src/string-helpers.ts': '',
        'packages/broker/src/common/lease.ts': '',
        'test/sim/Types.test.ts': '',
      },
      good: { 'packages/broker/src/lease-table.test.ts': '', 'test/vitest.config.ts': '' },
    },
  ],
  [
    'files are short',
    longFiles,
    {
      bad: { 'packages/broker/src/a.ts': lines(321), 'packages/broker/src/b.test.ts': lines(321) },
      good: {
        'packages/broker/src/c.ts': lines(320),
        'packages/broker/src/d.ts': '',
        'test/e.ts': lines(900),
      },
    },
  ],
  [
    'half of the files are shorter still',
    medianLength,
    {
      bad: { 'packages/broker/src/a.ts': lines(121) },
      good: { 'packages/broker/src/b.ts': lines(120), 'packages/broker/src/b.test.ts': lines(300) },
    },
  ],
  [
    'only index.ts is a barrel, and nothing but one',
    onlyIndexIsBarrel,
    {
      bad: {
        'packages/broker/src/a.ts': "export * from './b.ts';",
        'packages/broker/src/b.ts': "export type { B } from './c.ts';",
        'packages/worker/src/index.ts': "export { x } from './x.ts';\nexport const y = 1;",
      },
      good: {
        'packages/broker/src/c.ts': "import { x } from './b.ts';\nexport const from = x;",
        'packages/broker/src/index.ts':
          "/** Public. */\nexport { x, type Y } from './x.ts';\nexport * from './y.ts';",
        'packages/client/src/index.ts': 'export {};',
      },
    },
  ],
  [
    'relative imports end in .ts',
    importExtensions,
    {
      bad: {
        'packages/broker/src/a.ts': "import { x } from './b.js';",
        'packages/broker/src/b.ts': "import { x } from './c';",
        'test/a.test.ts': "await import('../scripts/x.mjs');",
      },
      good: { 'packages/broker/src/c.ts': "import { x } from './b.ts'; import y from 'y/z.js';" },
    },
  ],
  [
    'no enum, namespace, parameter property or any',
    noBannedSyntax,
    {
      bad: {
        'packages/a/src/a.ts': 'export enum Color { Red }',
        'packages/a/src/b.ts': 'export const enum Color { Red }',
        'packages/a/src/c.ts': 'declare namespace A.B { }',
        'packages/a/src/d.ts': 'class A { constructor(private readonly b: B) {} }',
        'packages/a/src/e.ts': 'class A {\n  constructor(\n    b: Map<B, C>,\n    public c: C,\n  ) {}\n}',
        'packages/a/src/f.ts': 'const x: any = 1;',
        'packages/a/src/g.ts': 'const x = y as any;',
        'packages/a/src/h.ts': 'const x: Map<string, any> = y;',
        'packages/a/src/i.ts': 'type F = () => any;',
        'test/a.ts': 'const x: any[] = [];',
      },
      good: {
        'packages/a/src/l.ts':
          'class A { constructor(b: Map<B, readonly string[]>, c: (x: D) => void, d = f(1, e)) {} }',
        'packages/a/src/j.ts': '// as any\nconst x = { kind: "any", any: 1 }; if (a < any.b) f(enumOf);',
        'packages/a/src/k.ts':
          "const half = a / 2; // ' as any\nconst re = /['\"`]: any/; const s = x.replace(/\\//g, '');",
      },
    },
  ],
];

describe('the repository', () => {
  for (const [name, rule] of RULES) {
    it(name, () => expect(rule(repository)).toEqual([]));
  }
  it('has only the listed entries at its top', () => expect(topLevel(readdirSync(root))).toEqual([]));
  it('is seen by these rules', () => expect(repository.length).toBeGreaterThan(10));
});

describe('planted violations', () => {
  for (const [name, rule, { bad, good }] of RULES) {
    for (const [path, text] of Object.entries(bad)) {
      it(`${name}: ${path}`, () => expect(rule([sourceFile(path, text)])).toHaveLength(1));
    }
    for (const [path, text] of Object.entries(good)) {
      it(`${name}: allows ${path}`, () => expect(rule([sourceFile(path, text)])).toEqual([]));
    }
  }
  it('top level: a stranger and a missing entry', () => {
    const names = [
      'packages',
      'deploy',
      'scripts',
      'test',
      'package.json',
      'package-lock.json',
      'tsconfig.json',
    ];
    const found = topLevel([...names, '.npmrc', 'node_modules', 'README.md', 'LICENSE', 'src']);
    expect(found.map(({ at }) => at)).toEqual(['src', 'docs']);
  });
  it('imports: every form is found, at its line', () => {
    const text = [
      "#!/usr/bin/env node 'x",
      "import a, { b } from 'a';",
      'import type {',
      '  C, // from "z"',
      '} from "c";',
      "import 'd';",
      "const e = await import('e');",
      "const f = require('f');",
      "export * as g from 'g';",
      "const from = Array.from('abc'); foo.import('y');",
    ].join('\n');
    expect(importsOf(sourceFile('a.ts', text)).map(({ specifier, line }) => `${specifier}:${line}`)).toEqual([
      'a:2',
      'c:5',
      'd:6',
      'e:7',
      'f:8',
      'g:9',
    ]);
  });
});
