/**
 * Source code by declarations, through tree-sitter grammars as WebAssembly: a grammar that fails harms nobody else.
 *
 * 1. Trees are freed: WebAssembly's memory knows no garbage collection.
 * 2. A grammar that takes too long over a file is stopped; the file is parted by its lines instead.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Language, Parser } from 'web-tree-sitter';
import type { Block } from '../core/chunk/block.ts';
import { declarations } from '../core/chunk/declarations.ts';
import { lineWindows } from '../core/chunk/line-windows.ts';

const GRAMMARS: Readonly<Record<string, readonly string[]>> = {
  bash: ['sh', 'bash'],
  'c-sharp': ['cs'],
  cpp: ['c', 'h', 'cc', 'cpp', 'cxx', 'hh', 'hpp', 'hxx', 'cu', 'ino'],
  go: ['go'],
  java: ['java'],
  javascript: ['js', 'mjs', 'cjs', 'jsx'],
  php: ['php'],
  powershell: ['ps1', 'psm1'],
  python: ['py', 'pyi'],
  ruby: ['rb'],
  rust: ['rs'],
  tsx: ['tsx'],
  typescript: ['ts', 'mts', 'cts'],
};
const grammarOf = new Map(
  Object.entries(GRAMMARS).flatMap(([grammar, extensions]) => extensions.map((each) => [each, grammar])),
);

export interface CodeLimits {
  readonly maxChars: number;
  /** Larger sources are generated ones, and grammars take up to a hundred times their size. */
  readonly maxParsedChars: number;
  readonly parseMs: number;
}

export interface ParsedCode {
  readonly blocks: readonly Block[];
  /** Why it was parted by its lines, if there is a grammar for it. */
  readonly note: string | null;
}

/** Parsers by extension, loaded when first needed. One for a thread; close() frees them. */
export class CodeParser {
  readonly #monotonicMs: () => number;
  readonly #parsers = new Map<string, Promise<Parser>>();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  knows(extension: string): boolean {
    return grammarOf.has(extension);
  }

  async parse(text: string, extension: string, limits: CodeLimits): Promise<ParsedCode> {
    const grammar = grammarOf.get(extension);
    if (grammar === undefined) return { blocks: lineWindows(text.split('\n')), note: null };
    const byLines = (note: string): ParsedCode => ({ blocks: lineWindows(text.split('\n')), note });
    if (text.length > limits.maxParsedChars)
      return byLines(`parted by lines: over ${limits.maxParsedChars} characters of source`);
    const parser = await this.#parser(grammar);
    const endMs = this.#monotonicMs() + limits.parseMs;
    const tree = parser.parse(text, null, { progressCallback: () => this.#monotonicMs() > endMs });
    if (tree === null) {
      parser.reset();
      return byLines(`parted by lines: parsing took over ${limits.parseMs} ms`);
    }
    try {
      const root = tree.rootNode;
      if (root.type === 'ERROR') return byLines('parted by lines: it does not parse');
      const blocks = declarations(root, text, limits.maxChars);
      if (blocks !== undefined) return { blocks, note: null };
      return root.hasError
        ? byLines('parted by lines: it does not parse')
        : { blocks: lineWindows(text.split('\n')), note: null };
    } finally {
      tree.delete();
    }
  }

  async close(): Promise<void> {
    const parsers = [...this.#parsers.values()];
    this.#parsers.clear();
    for (const parser of parsers) (await parser).delete();
  }

  #parser(grammar: string): Promise<Parser> {
    let parser = this.#parsers.get(grammar);
    if (parser === undefined) {
      parser = loadParser(grammar);
      this.#parsers.set(grammar, parser);
    }
    return parser;
  }
}

async function loadParser(grammar: string): Promise<Parser> {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve('@vscode/tree-sitter-wasm/package.json');
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(join(dirname(manifest), 'wasm', `tree-sitter-${grammar}.wasm`)));
  return parser;
}
