/**
 * A source file as the tidy rules see it, and where they come from on disk.
 *
 * `code` is the text with comments and the contents of strings, templates and regular expressions replaced by
 * spaces, character for character: a word found in it is code, and its offset holds in `text` too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { blankOut } from './blank-out.ts';

export type SourceFile = {
  /** Relative to the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly code: string;
};

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.tmp', '.git', 'coverage']);

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: /\.[cm]?[jt]sx?$/.test(path) ? blankOut(text) : text };
}

/** Every source file and package.json below the folders, in a stable order. */
export function readSourceFiles(root: string, folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => walk(join(root, folder)))
    .filter((path) => /\.([cm]?[jt]sx?|sh)$|[\\/]package\.json$/.test(path))
    .map((path) => sourceFile(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/** 1-based. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
