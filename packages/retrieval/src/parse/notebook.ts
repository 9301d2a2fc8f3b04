/** Jupyter notebooks by cells. Lines count within a cell, which is what a person who opens it can count. */
import type { Block } from '../core/chunk/block.ts';
import { markdown, type Prose } from '../core/chunk/prose.ts';

type Code = (text: string) => Promise<readonly Block[]>;

/** Undefined when it is no notebook. Outputs are left out: they are results, often pictures in base64. */
export async function notebook(text: string, code: Code): Promise<Prose | undefined> {
  const cells = cellsOf(text);
  if (cells === undefined) return undefined;
  const blocks: Block[] = [];
  let title: string | null = null;
  let section: readonly string[] = [];
  for (const [at, cell] of cells.entries()) {
    const place = `cell ${at + 1}`;
    if (cell.isCode) {
      const parts = await code(cell.source);
      blocks.push(...parts.map((block) => ({ ...block, headings: section, place })));
      continue;
    }
    const prose = markdown(cell.source);
    title ??= prose.title;
    section = prose.blocks.at(-1)?.headings ?? section;
    blocks.push(...prose.blocks.map((block) => ({ ...block, place })));
  }
  return { title, blocks };
}

/** `metadata.language_info.name` tells the language in all kernels; Python where none is named. */
export function notebookLanguage(text: string): string {
  const named = /"language_info"\s*:\s*\{[^{}]*"name"\s*:\s*"(\w+)"/.exec(text.slice(-20_000))?.[1];
  return (
    ({ javascript: 'js', typescript: 'ts', rust: 'rs', bash: 'sh' } as Record<string, string>)[named ?? ''] ??
    'py'
  );
}

function cellsOf(text: string): readonly { readonly isCode: boolean; readonly source: string }[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { cells } = (value ?? {}) as { cells?: unknown };
  if (!Array.isArray(cells)) return undefined;
  return cells.map((cell: { cell_type?: unknown; source?: unknown } | null) => {
    const source = cell?.source;
    const lines = Array.isArray(source) ? source.filter((line) => typeof line === 'string').join('') : source;
    return { isCode: cell?.cell_type === 'code', source: typeof lines === 'string' ? lines : '' };
  });
}
