/** HTML by its headings and paragraphs, in one pass over it and without a tree. */
import { Parser } from 'htmlparser2';
import { type Block, plainBlock } from '../core/chunk/block.ts';
import type { Prose } from '../core/chunk/prose.ts';

const LEFT_OUT = new Set(['script', 'style', 'noscript', 'template', 'svg', 'math', 'iframe', 'object']);
const INLINE = new Set(
  `a abbr b bdi bdo cite code data dfn em font i kbd label mark q rp rt ruby s samp small span strike strong sub sup
  time tt u var wbr ins del`.split(/\s+/),
);

/** The parser's own stack takes time by its depth for each element; no page that people read comes near. */
const MAX_DEPTH = 5000;

class TooDeep extends Error {}

/** What a page says that it is written in, where that is to be: `<meta charset=…>` in its first kilobyte. */
export function namedEncoding(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  return /<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{1,40})/i.exec(head)?.[1]?.toLowerCase();
}

/** Undefined when elements are nested without end. */
export function html(text: string): Prose | undefined {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof TooDeep) return undefined;
    throw error;
  }
}

function read(text: string): Prose {
  const blocks: Block[] = [];
  const lineAt = lineCounter(text);
  let headings: { level: number; text: string }[] = [];
  let title = '';
  let inTitle = false;
  let leftOut: { name: string; depth: number } | undefined;
  let preformatted = 0;
  let depth = 0;
  let words = '';
  let startLine = 0;
  const close = (index: number) => {
    const shown = preformatted > 0 ? words.replaceAll(/^\n+|\s+$/g, '') : words.trim();
    const path = headings.map((heading) => heading.text);
    if (shown !== '') blocks.push(plainBlock(shown, startLine, Math.max(startLine, lineAt(index)), path));
    words = '';
  };
  const parser = new Parser({
    onopentagname(name) {
      depth += 1;
      if (depth > MAX_DEPTH) throw new TooDeep();
      if (leftOut !== undefined) {
        if (name === leftOut.name) leftOut.depth += 1;
        return;
      }
      if (LEFT_OUT.has(name)) leftOut = { name, depth: 1 };
      else if (name === 'title') inTitle = true;
      else if (name === 'br') words += '\n';
      else if (!INLINE.has(name)) {
        close(parser.startIndex);
        if (name === 'pre') preformatted += 1;
      }
    },
    ontext(piece) {
      if (inTitle) title += piece;
      else if (leftOut === undefined) {
        const shown = preformatted > 0 ? piece : piece.replaceAll(/\s+/g, ' ');
        if (words.trim() === '') {
          startLine = lineAt(parser.startIndex + Math.max(0, piece.search(/\S/)));
          if (preformatted === 0) words = '';
        }
        words += preformatted === 0 && /\s$/.test(words) ? shown.trimStart() : shown;
      }
    },
    onclosetag(name) {
      depth -= 1;
      if (leftOut !== undefined) {
        if (name === leftOut.name) leftOut.depth -= 1;
        if (leftOut.depth === 0) leftOut = undefined;
      } else if (name === 'title') inTitle = false;
      else if (/^h[1-6]$/.test(name)) {
        const level = Number(name[1]);
        const heading = words.trim().replaceAll(/\s+/g, ' ');
        headings = headings.filter((above) => above.level < level);
        if (heading !== '') headings.push({ level, text: heading });
        close(parser.startIndex);
      } else if (name === 'td' || name === 'th') words += ' | ';
      else if (!INLINE.has(name) && name !== 'br') {
        close(parser.startIndex);
        if (name === 'pre') preformatted = Math.max(0, preformatted - 1);
      }
    },
  });
  parser.end(text);
  close(text.length);
  const shown = title.trim().replaceAll(/\s+/g, ' ');
  return { title: shown || (blocks.find(({ headings: [first] }) => first)?.headings[0] ?? null), blocks };
}

/** The line of an index, counted from 1; indexes mostly grow from call to call. */
function lineCounter(text: string): (index: number) => number {
  let line = 1;
  let counted = 0;
  return (index) => {
    if (index < counted) {
      line = 1;
      counted = 0;
    }
    for (
      let next = text.indexOf('\n', counted);
      next !== -1 && next < index;
      next = text.indexOf('\n', counted)
    ) {
      line += 1;
      counted = next + 1;
    }
    return line;
  };
}
