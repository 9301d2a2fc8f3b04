/**
 * What TypeScript of this house is written without.
 *
 * 1. Only a package's src/index.ts re-exports, and it does nothing else.
 * 2. Relative imports end in .ts (tsc rewrites them for dist).
 * 3. No enums, namespaces, parameter properties or `any`.
 */
import { importsOf, withoutImports } from './imports.ts';
import { lineAt, type SourceFile } from './source-file.ts';
import { isPackageSource, type Violation, violation, violationsAt } from './violation.ts';

const isIndex = (file: SourceFile): boolean => /^packages\/[^/]+\/src\/index\.ts$/.test(file.path);

export function onlyIndexIsBarrel(files: readonly SourceFile[]): Violation[] {
  return files.filter(isPackageSource).flatMap((file) => {
    if (!isIndex(file)) {
      return importsOf(file)
        .filter(({ kind }) => kind === 're-export')
        .map(({ line, specifier }) =>
          violation(file, line, `re-exports ${specifier}; only src/index.ts may`),
        );
    }
    const rest = withoutImports(file).replace(/export\s*\{\s*\}/g, '');
    const own = /[^\s;]/.exec(rest);
    return own === null ? [] : [violation(file, 1, 'src/index.ts does more than re-export')];
  });
}

export function importExtensions(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => file.path.endsWith('.ts'))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ specifier }) => specifier.startsWith('.') && !specifier.endsWith('.ts'))
        .map(({ line, specifier }) => violation(file, line, `${specifier} does not end in .ts`)),
    );
}

export function noBannedSyntax(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => file.path.endsWith('.ts'))
    .flatMap((file) => [
      ...violationsAt(file, /(?<![.\w$])enum\s+\w+\s*\{/g, () => 'enum; use a union of literals'),
      ...violationsAt(file, /(?<![.\w$])(?:namespace|module)\s+[\w.]+\s*\{/g, () => 'namespace; use a file'),
      ...violationsAt(
        file,
        /(?:[:<|&,=]\s*|=>\s*|\bas\s+|\bextends\s+|\bsatisfies\s+)any\b(?!\s*[:(?.])/g,
        () => 'any; say what it is, or unknown',
      ),
      ...parameterProperties(file),
    ]);
}

function parameterProperties(file: SourceFile): Violation[] {
  return [...file.code.matchAll(/(?<![.\w$])constructor\s*\(/g)].flatMap((hit) =>
    parametersFrom(file.code, hit.index + hit[0].length)
      .filter((parameter) => /^\s*(?:public|private|protected|override|readonly)\s+\w/.test(parameter))
      .map((parameter) =>
        violation(
          file,
          lineAt(file.text, hit.index),
          `parameter property: ${parameter.trim().split('\n')[0]}`,
        ),
      ),
  );
}

/** The parameters of a list whose opening parenthesis ends just before `start`, split at its own commas. */
function parametersFrom(code: string, start: number): string[] {
  const parameters: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < code.length; at += 1) {
    const char = code[at] as string;
    if (depth === 0 && (char === ',' || char === ')')) {
      parameters.push(code.slice(from, at));
      if (char === ')') break;
      from = at + 1;
    } else if ('([{<'.includes(char)) depth += 1;
    else if (')]}'.includes(char) || (char === '>' && code[at - 1] !== '=')) depth -= 1;
  }
  return parameters;
}
