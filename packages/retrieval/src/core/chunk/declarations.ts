/**
 * Source code by its declarations, given a syntax tree. Works on whole lines, for citations; so does not need to know a
 * language beyond how its grammar calls what declares.
 *
 * 1. Each line of the source is in exactly one block, and blocks are in order.
 * 2. A function or class is a block of its own, with the comments and attributes right above it. A class that is too large
 *    for one chunk is parted into its members.
 * 3. What else stands in the file (imports, constants, statements) is kept between them, by its blank lines.
 */
import type { Block } from './block.ts';
import { lineWindows } from './line-windows.ts';

/** What is needed of a node of web-tree-sitter. Rows count from 0. */
export interface SyntaxNode {
  readonly type: string;
  readonly text: string;
  readonly startPosition: { readonly row: number };
  readonly endPosition: { readonly row: number; readonly column: number };
  readonly namedChildren: readonly (SyntaxNode | null)[];
  childForFieldName(name: string): SyntaxNode | null;
}

/** Declarations that hold declarations; `impl` of Rust takes its name from its type. */
const CONTAINERS = new Set(
  `class_definition class_declaration abstract_class_declaration class class_specifier struct_specifier interface_declaration
  trait_item trait_declaration impl_item mod_item module internal_module namespace_definition namespace_declaration
  record_declaration struct_declaration class_statement union_specifier`.split(/\s+/),
);
const DECLARATIONS = new Set(
  `function_definition function_declaration generator_function_declaration function_item function_statement
  function_signature_item method_definition method_declaration method singleton_method constructor_declaration
  class_method_definition abstract_method_signature struct_item enum_item enum_declaration enum_specifier union_item
  type_alias_declaration type_declaration type_item macro_definition`.split(/\s+/),
);
/** Around a declaration: `export`, decorators, templates. */
const WRAPPERS = new Set(
  `export_statement decorated_definition template_declaration expression_statement ambient_declaration statement_list
  declaration_list`.split(/\s+/),
);
const VARIABLES = new Set(['lexical_declaration', 'variable_declaration', 'const_declaration']);
const FUNCTION_VALUES = new Set(['arrow_function', 'function_expression', 'function', 'class']);
const LEADING = /comment|attribute|decorator|annotation/;
const NAMES = /(?:^|_)(?:identifier|name|constant|word)$/;
/** Trees come from strangers: below this nobody looks for names. */
const MAX_DEPTH = 12;
const MAX_NAME_CHARS = 120;

interface Part {
  start: number;
  end: number;
  symbols: readonly string[];
  alone: boolean;
}

/** Undefined when nothing is declared: line windows serve as well then. */
export function declarations(root: SyntaxNode, text: string, maxChars: number): readonly Block[] | undefined {
  const lines = text.split('\n');
  const found = disjoint(partsOf(root, { lines, maxChars, prefix: '', depth: 0 }));
  if (found.length === 0) return undefined;
  const blocks: Block[] = [];
  const between = (start: number, end: number) =>
    blocks.push(...lineWindows(lines.slice(start, end), start + 1));
  let at = 0;
  for (const { start, end, symbols, alone } of found) {
    between(at, start);
    at = end + 1;
    const own = lines.slice(start, at).join('\n');
    blocks.push({ text: own, startLine: start + 1, endLine: at, headings: [], symbols, alone });
  }
  between(at, lines.length);
  return blocks;
}

interface Place {
  readonly lines: readonly string[];
  readonly maxChars: number;
  /** Of the container, with its dot: `Parser.` */
  readonly prefix: string;
  readonly depth: number;
}

function partsOf(parent: SyntaxNode, place: Place): Part[] {
  const parts: Part[] = [];
  let leading: number | undefined;
  let leadingEnd = -2;
  for (const node of parent.namedChildren) {
    if (node === null) continue;
    const { row: start } = node.startPosition;
    const end = lastRow(node);
    if (LEADING.test(node.type)) {
      if (leadingEnd + 1 < start) leading = start;
      leadingEnd = end;
      continue;
    }
    const from = leading !== undefined && leadingEnd + 1 >= start ? leading : start;
    leading = undefined;
    leadingEnd = -2;
    parts.push(...declared(node, from, end, place));
  }
  return parts;
}

function declared(node: SyntaxNode, start: number, end: number, place: Place): Part[] {
  const inner = unwrapped(node);
  if (inner === undefined) {
    if (!WRAPPERS.has(node.type) || place.depth >= MAX_DEPTH) return [];
    return partsOf(node, { ...place, depth: place.depth + 1 });
  }
  if (VARIABLES.has(inner.type)) return variables(inner, start, end, place.prefix);
  const name = place.prefix + nameOf(inner);
  const whole: Part = { start, end, symbols: namesWithin(inner, name, place.depth), alone: true };
  const body = inner.childForFieldName('body');
  const chars = place.lines.slice(start, end + 1).reduce((sum, line) => sum + line.length + 1, 0);
  if (body === null || !CONTAINERS.has(inner.type) || chars <= place.maxChars || place.depth >= MAX_DEPTH)
    return [whole];
  const members = partsOf(body, { ...place, prefix: `${name}.`, depth: place.depth + 1 });
  const [first] = members;
  if (first === undefined) return [whole];
  // The head keeps the container's name: who asks for the class by name finds where it begins.
  if (first.start <= start) return members;
  return [{ start, end: first.start - 1, symbols: [name], alone: true }, ...members];
}

function variables(node: SyntaxNode, start: number, end: number, prefix: string): Part[] {
  const declarators = node.namedChildren.filter((child) => child?.childForFieldName('name') != null);
  const symbols = declarators.map((child) => prefix + nameOf(child as SyntaxNode));
  if (symbols.length === 0) return [];
  const alone = declarators.some((child) =>
    FUNCTION_VALUES.has(child?.childForFieldName('value')?.type ?? ''),
  );
  return [{ start, end, symbols, alone }];
}

/** The declaration in a wrapper, if it is one. */
function unwrapped(node: SyntaxNode): SyntaxNode | undefined {
  let inner: SyntaxNode | null | undefined = node;
  for (let depth = 0; depth < 4 && inner != null; depth += 1) {
    if (DECLARATIONS.has(inner.type) || CONTAINERS.has(inner.type) || VARIABLES.has(inner.type)) return inner;
    if (!WRAPPERS.has(inner.type)) return undefined;
    inner =
      inner.childForFieldName('declaration') ??
      inner.childForFieldName('definition') ??
      inner.namedChildren.find((child) => child !== null && isDeclaration(child.type));
  }
  return undefined;
}

const isDeclaration = (type: string) => DECLARATIONS.has(type) || CONTAINERS.has(type);

function namesWithin(node: SyntaxNode, name: string, depth: number): readonly string[] {
  const body = CONTAINERS.has(node.type) && depth < MAX_DEPTH ? node.childForFieldName('body') : null;
  const members = (body?.namedChildren ?? []).flatMap((child) => {
    const inner = child === null ? undefined : unwrapped(child);
    if (inner === undefined || VARIABLES.has(inner.type)) return [];
    return namesWithin(inner, `${name}.${nameOf(inner)}`, depth + 1);
  });
  return [name, ...members];
}

function nameOf(node: SyntaxNode): string {
  let named = node.childForFieldName('name');
  if (named === null && node.type === 'impl_item') named = node.childForFieldName('type');
  // C and C++: the name is at the end of a chain of declarators.
  for (let at = node.childForFieldName('declarator'); named === null && at !== null; ) {
    const next = at.childForFieldName('declarator');
    if (next === null) named = at;
    at = next;
  }
  named ??= node.namedChildren.find((child) => child !== null && NAMES.test(child.type)) ?? null;
  // Go: `type T struct`, where the name is the specification's.
  named ??= node.namedChildren[0]?.childForFieldName('name') ?? null;
  return named === null ? 'anonymous' : named.text.replaceAll(/\s+/g, ' ').slice(0, MAX_NAME_CHARS);
}

/** A node that ends with a line break ends, for a reader, on the line before. */
function lastRow({ startPosition, endPosition }: SyntaxNode): number {
  return endPosition.column === 0 && endPosition.row > startPosition.row
    ? endPosition.row - 1
    : endPosition.row;
}

/** Declarations that share a line are one part. */
function disjoint(parts: readonly Part[]): readonly Part[] {
  const merged: Part[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (last === undefined || part.start > last.end) merged.push({ ...part });
    else {
      last.end = Math.max(last.end, part.end);
      last.symbols = [...last.symbols, ...part.symbols];
    }
  }
  return merged;
}
