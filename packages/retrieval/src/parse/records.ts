/** CSV by its rows, JSON by its members and JSON lines by theirs, each with the lines it stands on. */
import { parse } from 'csv-parse/sync';
import { type Block, plainBlock } from '../core/chunk/block.ts';

/** `column: value` lines, so that a row says what its values are. Undefined when it is no table. */
export function csvRows(text: string, delimiter: string): readonly Block[] | undefined {
  let rows: readonly { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];
  try {
    rows = parse(text, {
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      bom: true,
    }) as never;
  } catch {
    return undefined;
  }
  const [header, ...body] = rows;
  if (header === undefined) return [];
  let line = header.info.lines;
  return body.map(({ record, info }) => {
    const shown = record.map((value, at) => `${header.record[at] ?? `column ${at + 1}`}: ${value}`);
    const block = plainBlock(shown.join('\n'), line + 1, Math.max(line + 1, info.lines));
    line = info.lines;
    return block;
  });
}

/** A record a line. Undefined when a line is no JSON: then it is text, of which nothing more is known. */
export function jsonLines(text: string): readonly Block[] | undefined {
  const blocks: Block[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      JSON.parse(line);
    } catch {
      return undefined;
    }
    blocks.push(plainBlock(line, at + 1, at + 1));
  }
  return blocks;
}

/**
 * The members of the outermost object or array, each with its key as a heading when it is large. Undefined when it is
 * not JSON. Only where members begin and end is looked for: the text is kept as it is written.
 */
export function jsonMembers(text: string): readonly Block[] | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const blocks: Block[] = [];
  let depth = 0;
  let start = -1;
  let line = 1;
  let startLine = 1;
  const close = (end: number) => {
    const own = start === -1 ? '' : text.slice(start, end).trimEnd();
    if (own !== '') blocks.push(plainBlock(own, startLine, startLine + countLines(own)));
    start = -1;
  };
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10) line += 1;
    if (code <= 32) continue;
    const closes = code === 93 || code === 125;
    if (closes) depth -= 1;
    if (depth === 1 && code === 44) close(at);
    else if (depth === 0 && closes) close(at);
    else if (start === -1 && depth === 1) {
      start = at;
      startLine = line;
    } else if (start === -1 && depth === 0 && code !== 91 && code !== 123) {
      start = at;
      startLine = line;
    }
    if (code === 34) at = stringEnd(text, at);
    else if (code === 91 || code === 123) depth += 1;
  }
  close(text.length);
  return blocks;
}

/** The index of the quote that ends the string begun at `at`: the text is known to be JSON. */
function stringEnd(text: string, at: number): number {
  let end = at + 1;
  while (text.charCodeAt(end) !== 34) end += text.charCodeAt(end) === 92 ? 2 : 1;
  return end;
}

const countLines = (text: string): number => {
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
};
