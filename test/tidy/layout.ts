/**
 * How files are named, sized and laid out.
 *
 * 1. Names are kebab-case and say what is exported; a drawer for everything has no name of its own.
 * 2. A long file is a room doing two jobs.
 * 3. Packages are written in one language.
 * 4. The top level holds what a visitor must see first.
 */
import { basename } from 'node:path';
import type { SourceFile } from './source-file.ts';
import { isPackageSource, isTest, type Violation, violation } from './violation.ts';

const MAX_LINES = 320;
const MAX_MEDIAN_LINES = 120;
const DRAWERS = /(?:^|-)(?:utils?|helpers?|common|types|misc)$/;
const TOP_LEVEL = new Set([
  'packages',
  'deploy',
  'scripts',
  'test',
  'docs',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
  'LICENSE',
]);

export function fileNames(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const segments = file.path.split('/');
    const names = [
      ...segments.slice(0, -1),
      basename(file.path).replace(/(?:\.test|\.fixture|\.config)?\.\w+$/, ''),
    ];
    const wrong = names.find((name) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name));
    const drawer = names.find((name) => DRAWERS.test(name));
    return [
      ...(wrong === undefined ? [] : [violation(file, 1, `${wrong} is not kebab-case`)]),
      ...(drawer === undefined ? [] : [violation(file, 1, `${drawer} does not say what is in it`)]),
    ];
  });
}

/** The rules of packages see .ts files: anything else would pass them all. */
export function oneLanguage(files: readonly SourceFile[]): Violation[] {
  return files
    .filter(({ path }) => /^packages\/[^/]+\/src\/.*\.(?:[cm]?[jt]sx?)$/.test(path) && !path.endsWith('.ts'))
    .map((file) => violation(file, 1, 'a package is written in .ts files'));
}

export function longFiles(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => isPackageSource(file) && linesOf(file) > MAX_LINES)
    .map((file) => violation(file, MAX_LINES, `${linesOf(file)} lines, at most ${MAX_LINES}`));
}

/** Tests do not count: theirs are lists of cases, and long ones would only hide behind short code. */
export function medianLength(files: readonly SourceFile[]): Violation[] {
  const lengths = files
    .filter((file) => isPackageSource(file) && !isTest(file))
    .map(linesOf)
    .sort((a, b) => a - b);
  const median = lengths[Math.floor(lengths.length / 2)] ?? 0;
  if (median <= MAX_MEDIAN_LINES) return [];
  return [{ at: 'packages/*/src', why: `the median file has ${median} lines, at most ${MAX_MEDIAN_LINES}` }];
}

/** Takes the names at the repository's root. Dot files and git-ignored node_modules may be there; the rest is listed. */
export function topLevel(names: readonly string[]): Violation[] {
  const present = names.filter((name) => !name.startsWith('.') && name !== 'node_modules');
  return [
    ...present
      .filter((name) => !TOP_LEVEL.has(name))
      .map((name) => ({ at: name, why: 'does not belong at the top' })),
    ...[...TOP_LEVEL]
      .filter((name) => !present.includes(name))
      .map((name) => ({ at: name, why: 'is missing' })),
  ];
}

function linesOf(file: SourceFile): number {
  return file.text.trimEnd().split('\n').length;
}
