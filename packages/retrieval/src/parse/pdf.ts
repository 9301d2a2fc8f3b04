/**
 * PDF by its pages, and on each by headings and paragraphs, which it does not know: lines that are set larger than the most are
 * taken for headings, and lines that stand apart for paragraphs.
 *
 * 1. Lines count within a page, and a passage is of one page: that is what a person who opens it can find.
 * 2. What takes too long, or has text without end, is read up to there, with a note. Pictures are not looked at.
 */
import { type Block, plainBlock } from '../core/chunk/block.ts';

export interface PdfLimits {
  readonly documentMs: number;
  readonly maxTextChars: number;
}

export type PdfRead =
  | {
      readonly kind: 'read';
      readonly title: string | null;
      readonly blocks: readonly Block[];
      readonly note: string | null;
    }
  | { readonly kind: 'refused'; readonly reason: string };

interface Line {
  readonly text: string;
  /** From the page's lower edge, and how high its letters are, in points. */
  readonly y: number;
  readonly height: number;
}

interface TextItem {
  readonly str: string;
  readonly transform: readonly number[];
  readonly height: number;
  readonly hasEOL: boolean;
}

const HEADING_TIMES = 1.15;
const HEADING_CHARS = 200;
/** Lines of one paragraph are nearer than this many times their height. */
const APART_TIMES = 1.7;

export async function pdf(
  bytes: Uint8Array,
  { documentMs, maxTextChars }: PdfLimits,
  monotonicMs: () => number,
): Promise<PdfRead> {
  const endMs = monotonicMs() + documentMs;
  const { getDocumentProxy } = await import('unpdf');
  let document: Awaited<ReturnType<typeof getDocumentProxy>>;
  try {
    // The bytes are given away; nothing in it is run, fetched or written to a console.
    document = await getDocumentProxy(new Uint8Array(bytes), {
      verbosity: 0,
      useWorkerFetch: false,
      maxImageSize: 1,
    });
  } catch (error) {
    return { kind: 'refused', reason: whyNot(error) };
  }
  try {
    const pages: (readonly Line[])[] = [];
    let chars = 0;
    let unread = 0;
    const { numPages } = document;
    while (pages.length < numPages && chars <= maxTextChars && monotonicMs() < endMs) {
      const lines = await linesOf(document, pages.length + 1);
      if (lines === undefined) unread += 1;
      pages.push(lines ?? []);
      chars += (lines ?? []).reduce((sum, { text }) => sum + text.length, 0);
    }
    if (chars === 0) return { kind: 'refused', reason: noText(pages.length, numPages, documentMs) };
    const notes = [
      ...(unread > 0 ? [`${unread} of ${numPages} pages are damaged`] : []),
      ...(pages.length < numPages ? [`only the first ${pages.length} of ${numPages} pages were read`] : []),
    ];
    const blocks = blocksOf(pages);
    const title =
      (await titleOf(document)) ?? blocks.find(({ headings }) => headings.length > 0)?.headings[0];
    return { kind: 'read', title: title ?? null, blocks, note: notes.join('; ') || null };
  } finally {
    await document.destroy();
  }
}

interface PdfDocument {
  getPage(number: number): Promise<{
    getTextContent(): Promise<{ readonly items: readonly object[] }>;
    cleanup(): unknown;
  }>;
  getMetadata(): Promise<{ readonly info: object }>;
}

/** Undefined for a page that makes no sense: the others may. */
async function linesOf(document: PdfDocument, number: number): Promise<readonly Line[] | undefined> {
  try {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    page.cleanup();
    return joined(items.filter((item): item is TextItem => 'str' in item));
  } catch {
    return undefined;
  }
}

function joined(items: readonly TextItem[]): readonly Line[] {
  const lines: Line[] = [];
  let [text, y, height] = ['', 0, 0];
  for (const item of items) {
    if (text.trim() === '') [text, y, height] = ['', item.transform[5] ?? 0, 0];
    text += item.str;
    if (item.str.trim() !== '') height = Math.max(height, item.height);
    if (!item.hasEOL) continue;
    if (text.trim() !== '') lines.push({ text: text.trim(), y, height });
    text = '';
  }
  if (text.trim() !== '') lines.push({ text: text.trim(), y, height });
  return lines;
}

function blocksOf(pages: readonly (readonly Line[])[]): readonly Block[] {
  const most = commonHeight(pages.flat());
  const blocks: Block[] = [];
  let headings: readonly { readonly height: number; readonly text: string }[] = [];
  for (const [index, lines] of pages.entries()) {
    let from = 0;
    /** One of several lines is one. */
    let headingAt = -1;
    const close = (end: number): void => {
      if (end === from) return;
      const path = headings.map(({ text }) => text);
      const text = unhyphenated(lines.slice(from, end).map((line) => line.text));
      blocks.push({ ...plainBlock(text, from + 1, end, path), place: `page ${index + 1}` });
      from = end;
    };
    for (const [at, line] of lines.entries()) {
      const before = lines[at - 1];
      const last = headings.at(-1);
      if (
        isHeading(line, most) &&
        before !== undefined &&
        last?.height === line.height &&
        at - 1 === headingAt
      ) {
        headings = [...headings.slice(0, -1), { ...line, text: `${last.text} ${line.text}` }];
        headingAt = at;
      } else if (isHeading(line, most)) {
        close(at);
        headings = [...headings.filter(({ height }) => height > line.height), line];
        headingAt = at;
      } else if (before === undefined || isHeading(before, most)) continue;
      else if (before.y - line.y > APART_TIMES * Math.max(before.height, line.height)) close(at);
    }
    close(lines.length);
  }
  return blocks;
}

function isHeading({ text, height }: Line, most: number): boolean {
  return height > HEADING_TIMES * most && text.length <= HEADING_CHARS && /\p{L}{2}/u.test(text);
}

/** What most of the text is set in. */
function commonHeight(lines: readonly Line[]): number {
  const chars = new Map<number, number>();
  for (const { height, text } of lines) {
    const rounded = Math.round(height * 2) / 2;
    chars.set(rounded, (chars.get(rounded) ?? 0) + text.length);
  }
  return [...chars].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0];
}

/** A word that was parted at the end of a line is whole on that line; the count of lines stays. */
function unhyphenated(lines: readonly string[]): string {
  const whole = [...lines];
  for (let at = 0; at + 1 < whole.length; at += 1) {
    const [line, next] = [whole[at] as string, whole[at + 1] as string];
    const rest = /\p{Ll}-$/u.test(line) ? /^\p{Ll}\S*/u.exec(next)?.[0] : undefined;
    if (rest === undefined) continue;
    whole[at] = `${line.slice(0, -1)}${rest}`;
    whole[at + 1] = next.slice(rest.length).trimStart();
  }
  return whole.join('\n');
}

async function titleOf(document: PdfDocument): Promise<string | undefined> {
  try {
    const { Title } = (await document.getMetadata()).info as { Title?: unknown };
    const title = typeof Title === 'string' ? Title.trim() : '';
    return title === '' || title.length > HEADING_CHARS ? undefined : title;
  } catch {
    return undefined;
  }
}

function whyNot(error: unknown): string {
  const { name, message } = error as Error;
  if (name === 'PasswordException') return 'it is encrypted: reading it takes a password';
  return `it is not a PDF that can be read: ${message}`;
}

function noText(read: number, pages: number, documentMs: number): string {
  if (read < pages) return `reading the first ${read + 1} of its ${pages} pages takes over ${documentMs} ms`;
  return `there is no text in its ${pages} pages: pictures are not read`;
}
