/**
 * Who may import whom (docs: Packages).
 *
 * 1. A package imports only the siblings listed for it; a package that is not listed may import none.
 * 2. testkit is for tests: only *.test.ts, test/ and testkit itself import it.
 * 3. Siblings are imported by name, never by a path into them, neither `@gryphgen/x/…` nor `../../x/…`; but for what a
 *    package exports beside its index, because a thread that needs it should not load the rest.
 * 4. What package.json declares obeys 1 and 2 as well, and pins every other version exactly.
 */
import { posix } from 'node:path';
import { importsOf } from './imports.ts';
import type { SourceFile } from './source-file.ts';
import { isPackageSource, isTest, packageOf, type Violation, violation } from './violation.ts';

const SCOPE = '@gryphgen/';
const SERVED_BY_CLIENT = ['client', 'protocol', 'runtime'];
const DAEMON = ['protocol', 'runtime', 'scheduler'];
const EVERYTHING_BELOW_CLI = [
  'broker',
  'client',
  'gateway',
  'pipeline',
  'protocol',
  'retrieval',
  'runtime',
  'scheduler',
  'worker',
];

const BESIDE_INDEX = new Set(['runtime/folder-lock', 'runtime/thread-calls']);

const MAY_IMPORT = new Map<string, readonly string[]>([
  ['protocol', []],
  ['scheduler', ['protocol']],
  ['runtime', ['protocol']],
  ['broker', DAEMON],
  ['worker', DAEMON],
  ['client', ['protocol', 'runtime']],
  ['retrieval', SERVED_BY_CLIENT],
  ['pipeline', SERVED_BY_CLIENT],
  ['gateway', SERVED_BY_CLIENT],
  ['cli', EVERYTHING_BELOW_CLI],
  ['testkit', [...EVERYTHING_BELOW_CLI, 'cli']],
]);

export function importDirections(files: readonly SourceFile[]): Violation[] {
  return files.filter(isPackageSource).flatMap((file) => {
    const from = packageOf(file.path) as string;
    return importsOf(file).flatMap(({ specifier, line }) => {
      const why = specifier.startsWith('.')
        ? leavesPackage(file, specifier)
        : wrongSibling(from, specifier, isTest(file));
      return why === undefined ? [] : [violation(file, line, why)];
    });
  });
}

export function declaredDependencies(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => /^(packages\/[^/]+\/)?package\.json$/.test(file.path))
    .flatMap((file) => {
      const manifest = JSON.parse(file.text) as Record<string, Record<string, string> | undefined>;
      const declared = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
      return declared.flatMap(([name, version]) => {
        const why = name.startsWith(SCOPE)
          ? wrongSibling(packageOf(file.path) ?? '', name, false)
          : /^\d+\.\d+\.\d+$/.test(version)
            ? undefined
            : `${name} is not pinned to one version but to ${version}`;
        return why === undefined ? [] : [violation(file, 1, why)];
      });
    });
}

function wrongSibling(from: string, specifier: string, inTest: boolean): string | undefined {
  if (!specifier.startsWith(SCOPE)) return undefined;
  const [sibling, ...path] = specifier.slice(SCOPE.length).split('/') as [string, ...string[]];
  const isBeside = BESIDE_INDEX.has([sibling, ...path].join('/'));
  if (path.length > 0 && !isBeside) return `${specifier} reaches into a package; import ${SCOPE}${sibling}`;
  if (sibling === from) return inTest ? undefined : `${from} imports itself by name`;
  if (sibling === 'testkit') return inTest ? undefined : `${from} imports testkit outside its tests`;
  return MAY_IMPORT.get(from)?.includes(sibling) ? undefined : `${from} may not import ${sibling}`;
}

function leavesPackage(file: SourceFile, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(file.path), specifier);
  const home = `packages/${packageOf(file.path)}/src/`;
  return target.startsWith(home) ? undefined : `${specifier} leaves ${home}`;
}
