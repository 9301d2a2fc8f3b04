/**
 * Plain text and Markdown, by headings and paragraphs. Line by line, so that no input takes more than linear time.
 *
 * Of Markdown it knows what parts a text: headings of both forms, fences, front matter. Everything else is left as it is
 * written, and is read as such by people and models alike.
 */
import type { Block } from './block.ts';
import { FENCE, lineWindows } from './line-windows.ts';

export interface Prose {
  readonly title: string | null;
  readonly blocks: readonly Block[];
}

const ATX = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
/** Beyond these a line is no heading: it is matched by nothing that could take long. */
const HEADING_CHARS = 300;

export function plainText(text: string): Prose {
  const [first = ''] = text.trimStart().split('\n', 1);
  const blocks = lineWindows(text.split('\n'));
  return { title: first.length <= HEADING_CHARS ? first.trim() || null : null, blocks };
}

/** `title`: of the front matter, else the first heading of the first level, else the first heading. */
export function markdown(text: string): Prose {
  const lines = text.split('\n');
  const front = frontMatter(lines);
  const blocks: Block[] = [];
  const headings: { level: number; text: string }[] = [];
  let title: string | null = null;
  let first: string | null = null;
  let section = front.lines;
  const close = (end: number) => {
    const path = headings.map(({ text }) => text);
    blocks.push(...lineWindows(lines.slice(section, end), section + 1, { headings: path, fences: true }));
    section = end;
  };
  let fence: string | undefined;
  for (let at = section; at < lines.length; at += 1) {
    const line = lines[at] as string;
    const mark = FENCE.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
      continue;
    }
    if (mark !== undefined) {
      fence = mark;
      continue;
    }
    const heading = headingAt(lines, at, section);
    if (heading === undefined) continue;
    close(at);
    while ((headings.at(-1)?.level ?? 0) >= heading.level) headings.pop();
    headings.push(heading);
    first ??= heading.text;
    if (heading.level === 1) title ??= heading.text;
    at += heading.lines - 1;
  }
  close(lines.length);
  return { title: front.title ?? title ?? first, blocks };
}

interface Heading {
  readonly level: number;
  readonly text: string;
  readonly lines: number;
}

function headingAt(lines: readonly string[], at: number, section: number): Heading | undefined {
  const line = lines[at] as string;
  if (line.length > HEADING_CHARS) return undefined;
  const atx = ATX.exec(line);
  if (atx !== null) return { level: atx[1]?.length ?? 1, text: atx[2]?.trim() ?? '', lines: 1 };
  const under = UNDERLINE.exec(lines[at + 1] ?? '');
  // Underlined is a heading only as a paragraph of its own: one line, not indented, not a list's or a quote's.
  const startsParagraph = at === section || lines[at - 1]?.trim() === '';
  if (under === null || !startsParagraph || !/^ {0,3}[^\s>*+|-]/.test(line)) return undefined;
  return { level: under[1]?.startsWith('=') ? 1 : 2, text: line.trim(), lines: 2 };
}

function frontMatter(lines: readonly string[]): { readonly title: string | null; readonly lines: number } {
  const end = lines[0] === '---' ? lines.indexOf('---', 1) : -1;
  if (end === -1) return { title: null, lines: 0 };
  const title = lines.slice(1, end).find((line) => line.startsWith('title:'));
  return {
    title:
      title
        ?.slice(6)
        .trim()
        .replace(/^(["'])(.*)\1$/, '$2') || null,
    lines: end + 1,
  };
}
