/**
 * Finds what a file imports: `import … from '…'`, `import '…'`, `import('…')`, `export … from '…'`, `require('…')`.
 * Specifiers that are computed are not seen; the style has none.
 */
import { lineAt, type SourceFile } from './source-file.ts';

export type Import = {
  readonly specifier: string;
  readonly line: number;
  readonly kind: 'import' | 're-export';
};

const QUOTED = String.raw`(["'\u0060])[^"'\u0060]*\1`;
const STATEMENT = new RegExp(
  String.raw`(?<![.\w$])(import|export)\b([^;"'\u0060=()]*?)\bfrom\s*${QUOTED.replace('\\1', '\\3')}`,
  'g',
);
const BARE = new RegExp(String.raw`(?<![.\w$])(?:import|require)\s*\(?\s*${QUOTED}`, 'g');

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  for (const hit of file.code.matchAll(STATEMENT)) {
    found.push(importAt(file, hit, hit[1] === 'export' ? 're-export' : 'import'));
  }
  for (const hit of file.code.matchAll(BARE)) found.push(importAt(file, hit, 'import'));
  return found.sort((a, b) => a.line - b.line);
}

/** The file's code without its import and re-export statements. */
export function withoutImports(file: SourceFile): string {
  return file.code.replace(STATEMENT, '').replace(BARE, '');
}

function importAt(file: SourceFile, hit: RegExpExecArray, kind: Import['kind']): Import {
  const end = hit.index + hit[0].length - 1; // the closing quote
  const quote = file.code[end] as string;
  const start = file.code.lastIndexOf(quote, end - 1) + 1;
  return { specifier: file.text.slice(start, end), line: lineAt(file.text, start), kind };
}
