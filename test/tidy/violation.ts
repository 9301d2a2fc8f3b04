/** What a tidy rule found. A rule is a function from files to violations, so that it can be tried on made-up files. */
import { lineAt, type SourceFile } from './source-file.ts';

export type Violation = { readonly at: string; readonly why: string };

export type Rule = (files: readonly SourceFile[]) => Violation[];

export function violation(file: SourceFile, line: number, why: string): Violation {
  return { at: `${file.path}:${line}`, why };
}

/** One violation for each hit of the pattern in the file's code. */
export function violationsAt(file: SourceFile, pattern: RegExp, why: (hit: string) => string): Violation[] {
  return [...file.code.matchAll(pattern)].map((hit) =>
    violation(file, lineAt(file.text, hit.index), why(hit[0].trim())),
  );
}

export const isPackageSource = (file: SourceFile): boolean =>
  /^packages\/[^/]+\/src\/.*\.ts$/.test(file.path);

/** A test, or a fixture that only tests import: neither is built. */
export const isTest = (file: SourceFile): boolean => /\.(?:test|fixture)\.ts$/.test(file.path);

export const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\//.exec(path)?.[1];
