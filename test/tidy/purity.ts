/**
 * Pure code (every package's src/core, all of scheduler and protocol) computes: no I/O, clock, timers, random, logging.
 *
 * 1. It imports no node: module, no sibling but protocol and scheduler, and from its own package only pure files.
 * 2. From the registry it imports what is named here: libraries that are pure themselves.
 * 3. It does not name the globals below. Biome's noRestrictedGlobals knows scopes and stops most of them in the
 *    editor; this holds the rest (Math.random) and does not depend on a lint setting.
 * 4. Its fixtures register no hooks: its tests share processes (vitest.config.ts), where one would run for the first file alone.
 */
import { posix } from 'node:path';
import { importsOf } from './imports.ts';
import type { SourceFile } from './source-file.ts';
import { isPackageSource, isTest, type Violation, violation, violationsAt } from './violation.ts';

const ALLOWED_LIBRARIES = new Set([
  '@gryphgen/protocol',
  '@gryphgen/scheduler',
  'zod',
  'msgpackr',
  'stemmer',
]);

const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/(?<![.\w$])(?:Date|performance)\s*[.([]/g, 'reads a clock; time is an input'],
  [/(?<![.\w$])new\s+Date\b/g, 'reads a clock; time is an input'],
  [
    /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    'starts a timer; return an effect',
  ],
  [/(?<![.\w$])process\s*(?:\??\.|\[)/g, 'looks at its process'],
  [/\bMath\s*\.\s*random\b/g, 'draws random numbers; random is an input'],
  [/(?<![.\w$])crypto\s*\./g, 'draws random numbers; random is an input'],
  [/(?<![.\w$])console\s*\./g, 'logs; return an effect'],
  [/(?<![.\w$])(?:globalThis|fetch\s*\()/g, 'reaches for the outside'],
];

const HOOK = /^(?:before|after)(?:Each|All)(?=\()/gm;

export function purity(files: readonly SourceFile[]): Violation[] {
  const pure = files.filter(({ path }) => isPure(path));
  const hooks = pure
    .filter(({ path }) => path.endsWith('.fixture.ts'))
    .flatMap((file) => violationsAt(file, HOOK, (hit) => `${hit}: a fixture of pure code registers a hook`));
  const impure = pure
    .filter((file) => isPackageSource(file) && !isTest(file))
    .flatMap((file) => [
      ...importsOf(file).flatMap(({ specifier, line }) =>
        mayImport(file, specifier) ? [] : [violation(file, line, `pure code imports ${specifier}`)],
      ),
      ...FORBIDDEN.flatMap(([pattern, why]) =>
        violationsAt(file, pattern, (hit) => `${hit}: pure code ${why}`),
      ),
    ]);
  return [...hooks, ...impure];
}

function isPure(path: string): boolean {
  return /^packages\/(?:[^/]+\/src\/core|scheduler\/src|protocol\/src)\//.test(path);
}

function mayImport(file: SourceFile, specifier: string): boolean {
  if (specifier.startsWith('.')) return isPure(posix.join(posix.dirname(file.path), specifier));
  return ALLOWED_LIBRARIES.has(specifier);
}
