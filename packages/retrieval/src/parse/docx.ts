/**
 * Word documents (.docx) by their headings and paragraphs.
 *
 * 1. A line is a paragraph, counted from 1 through the document: Word has no lines that stay.
 * 2. Of the archive only the text and the title are unpacked, and no more of them than the limit, whatever its directory says.
 */
import { unzipSync } from 'fflate';
import { Parser } from 'htmlparser2';
import { type Block, plainBlock } from '../core/chunk/block.ts';

export type DocxRead =
  | {
      readonly kind: 'read';
      readonly title: string | null;
      readonly blocks: readonly Block[];
      readonly note: null;
    }
  | { readonly kind: 'refused'; readonly reason: string };

const TEXT = 'word/document.xml';
const ABOUT = 'docProps/core.xml';
const MAX_TITLE_CHARS = 300;
/** Tables in tables in text boxes come to dozens. */
const MAX_DEPTH = 1000;

export function docx(bytes: Uint8Array, maxUnpackedBytes: number): DocxRead {
  let tooLarge: number | undefined;
  let files: Readonly<Record<string, Uint8Array>>;
  try {
    // What is unpacked of a file is bounded by the size that the directory tells, which is looked at here.
    files = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (name !== TEXT && name !== ABOUT) return false;
        if (originalSize > maxUnpackedBytes) tooLarge = originalSize;
        return originalSize <= maxUnpackedBytes;
      },
    });
  } catch (error) {
    return refused(`it is not a Word document that can be read: ${(error as Error).message}`);
  }
  if (tooLarge !== undefined)
    return refused(`its text unpacks to ${tooLarge} bytes, over the limit of ${maxUnpackedBytes}`);
  const text = files[TEXT];
  if (text === undefined) return refused(`it is not a Word document: there is no ${TEXT} in it`);
  const blocks = paragraphs(new TextDecoder().decode(text));
  if (blocks === undefined) return refused('it is nested too deep');
  const about = files[ABOUT];
  const title = about === undefined ? undefined : titleIn(new TextDecoder().decode(about));
  const first = blocks.find(({ headings }) => headings.length > 0)?.headings[0];
  return { kind: 'read', title: title ?? first ?? null, blocks, note: null };
}

const refused = (reason: string): DocxRead => ({ kind: 'refused', reason });

class TooDeep extends Error {}

/** Undefined when elements are nested without end. */
function paragraphs(xml: string): readonly Block[] | undefined {
  const blocks: Block[] = [];
  let headings: readonly { readonly level: number; readonly text: string }[] = [];
  let [depth, line, words, level] = [0, 0, '', 0];
  let isText = false;
  let row: string[] = [];
  /** Tables stand in cells of others: the outermost row is what is kept together. */
  let rows = 0;
  const end = (): void => {
    line += 1;
    const text = words.trim();
    words = '';
    if (text === '') return;
    if (rows > 0) {
      row.push(text);
      return;
    }
    if (level > 0) headings = [...headings.filter((above) => above.level < level), { level, text }];
    blocks.push(
      plainBlock(
        text,
        line,
        line,
        headings.map((heading) => heading.text),
      ),
    );
  };
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        depth += 1;
        if (depth > MAX_DEPTH) throw new TooDeep();
        if (name === 'w:t') isText = true;
        else if (name === 'w:p') [words, level] = ['', 0];
        else if (name === 'w:pStyle') level = levelOf(attributes['w:val'] ?? '');
        else if (name === 'w:outlineLvl') level = outlineOf(attributes['w:val'] ?? '');
        else if (name === 'w:tab') words += '\t';
        else if (name === 'w:br' || name === 'w:cr') words += ' ';
        else if (name === 'w:tr') rows += 1;
      },
      ontext(piece) {
        if (isText) words += piece;
      },
      onclosetag(name) {
        depth -= 1;
        if (name === 'w:t') isText = false;
        else if (name === 'w:p') end();
        else if (name === 'w:tr') {
          rows -= 1;
          if (rows > 0) return;
          const cells = row.join(' | ');
          row = [];
          const path = headings.map((heading) => heading.text);
          if (cells !== '') blocks.push(plainBlock(cells, line, line, path));
        }
      },
    },
    { xmlMode: true },
  );
  try {
    parser.end(xml);
  } catch (error) {
    if (error instanceof TooDeep) return undefined;
    throw error;
  }
  return blocks;
}

/** Word's own styles, in any language its ids are the same; `Title` stands above all. */
function levelOf(style: string): number {
  if (style === 'Title') return 1;
  const level = /^heading ?([1-9])$/i.exec(style)?.[1];
  return level === undefined ? 0 : Number(level) + 1;
}

function outlineOf(value: string): number {
  return /^[0-8]$/.test(value) ? Number(value) + 2 : 0;
}

function titleIn(xml: string): string | undefined {
  let [title, isTitle] = ['', false];
  const parser = new Parser(
    {
      onopentagname: (name) => {
        isTitle = name === 'dc:title';
      },
      ontext: (piece) => {
        if (isTitle) title += piece;
      },
      onclosetag: () => {
        isTitle = false;
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  const shown = title.trim();
  return shown === '' || shown.length > MAX_TITLE_CHARS ? undefined : shown;
}
