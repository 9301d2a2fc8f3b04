/**
 * A document's bytes to its chunks, by what its name says it is.
 *
 * 1. Every document ends as chunks or as a reason that a person can act on: nothing is silently missing.
 * 2. Size is looked at before anything else. What nobody here reads is refused by name.
 */
import { extname } from 'node:path/posix';
import { limits } from '@gryphgen/protocol';
import { type Block, type Chunk, type ChunkLimits, chunkLimits } from '../core/chunk/block.ts';
import { lineWindows } from '../core/chunk/line-windows.ts';
import { markdown, type Prose, plainText } from '../core/chunk/prose.ts';
import type { SealedPseudonym } from '../store/store.ts';
import { chunked } from './chunked.ts';
import { CodeParser } from './code.ts';
import { decodeText } from './decode-text.ts';
import { docx } from './docx.ts';
import { html, namedEncoding } from './html.ts';
import { notebook, notebookLanguage } from './notebook.ts';
import { pdf } from './pdf.ts';
import { csvRows, jsonLines, jsonMembers } from './records.ts';

export interface DocumentLimits extends ChunkLimits {
  readonly maxBytes: number;
  /** Of PDF and Word, which are mostly pictures. */
  readonly maxDocumentBytes: number;
  /** Of these, what there is of text in them. */
  readonly maxTextChars: number;
  readonly documentMs: number;
  readonly maxParsedChars: number;
  readonly parseMs: number;
}

export const documentLimits: DocumentLimits = {
  ...chunkLimits,
  maxBytes: 16 * 1024 ** 2,
  maxDocumentBytes: limits.documentBytes,
  maxTextChars: 16 * 1024 ** 2,
  documentMs: 40_000,
  maxParsedChars: 1024 ** 2,
  parseMs: 5000,
};

/** Its blocks, before they are packed and cut: what is looked for in a text stands in one of them. */
export type PartedDocument =
  | {
      readonly kind: 'parted';
      readonly title: string | null;
      readonly blocks: readonly Block[];
      readonly notes: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

export type ParsedDocument =
  | {
      readonly kind: 'parsed';
      /** Of the document itself; null where it has none. */
      readonly title: string | null;
      readonly chunks: readonly Chunk[];
      /** What was not done as it should be, such as source that does not parse. */
      readonly notes: readonly string[];
      /** In its texts, where it was redacted. */
      readonly pseudonyms?: readonly SealedPseudonym[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

interface Parted {
  readonly title: string | null;
  readonly blocks: readonly Block[];
  readonly note: string | null;
}

/** Lines that no person wrote. They are cut into pieces like any other. */
const HUGE_LINE_CHARS = 20_000;
const HTML = new Set(['html', 'htm', 'xhtml']);
const UNREADABLE = new Map([
  ['.doc', 'Word of before 2007 (.docx is read)'],
  ['.odt', 'OpenDocument'],
  ['.pptx', 'PowerPoint'],
  ['.xlsx', 'Excel'],
  ['.zip', 'an archive'],
  ['.gz', 'an archive'],
]);

/** Why it is not read, by its name and size alone. */
export function unreadable(
  path: string,
  bytes: number,
  limits: DocumentLimits = documentLimits,
): string | undefined {
  const extension = extname(path).toLowerCase();
  const format = UNREADABLE.get(extension);
  if (format !== undefined) return `it is ${format}, which is not read`;
  const most = extension === '.pdf' || extension === '.docx' ? limits.maxDocumentBytes : limits.maxBytes;
  return bytes > most ? `it has ${bytes} bytes, over the limit of ${most}` : undefined;
}

export class DocumentParser {
  readonly #monotonicMs: () => number;
  readonly #code: CodeParser;
  readonly #limits: DocumentLimits;

  constructor(monotonicMs: () => number, limits: Partial<DocumentLimits> = {}) {
    this.#monotonicMs = monotonicMs;
    this.#code = new CodeParser(monotonicMs);
    this.#limits = { ...documentLimits, ...limits };
  }

  async parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    return chunked(await this.part(path, bytes), this.#limits);
  }

  async part(path: string, bytes: Uint8Array): Promise<PartedDocument> {
    const reason = unreadable(path, bytes.byteLength, this.#limits);
    if (reason !== undefined) return { kind: 'refused', reason };
    const extension = extname(path).toLowerCase().slice(1);
    if (extension === 'pdf') return this.#document(await pdf(bytes, this.#limits, this.#monotonicMs));
    if (extension === 'docx') return this.#document(docx(bytes, this.#limits.maxTextChars));
    const decoded = decodeText(bytes, HTML.has(extension) ? namedEncoding(bytes) : undefined);
    if (decoded.kind === 'refused') return decoded;
    const { title, blocks, note } = await this.#part(decoded.text, extension);
    const notes = note === null ? [] : [note];
    if (hasHugeLine(decoded.text)) notes.push('lines of over 20,000 characters were cut into pieces');
    return { kind: 'parted', title, blocks, notes };
  }

  #document(
    read: ({ readonly kind: 'read' } & Parted) | Extract<ParsedDocument, { kind: 'refused' }>,
  ): PartedDocument {
    if (read.kind === 'refused') return read;
    const { title, blocks, note } = read;
    return { kind: 'parted', title, blocks, notes: note === null ? [] : [note] };
  }

  /** Frees the grammars. */
  close(): Promise<void> {
    return this.#code.close();
  }

  async #part(text: string, extension: string): Promise<Parted> {
    switch (extension) {
      case 'md':
      case 'markdown':
      case 'mdx':
        return { ...markdown(text), note: null };
      case 'html':
      case 'htm':
      case 'xhtml':
        return structured(text, html(text), 'HTML that can be read: it is nested too deep');
      case 'csv':
        return records(text, csvRows(text, ','), 'CSV');
      case 'tsv':
        return records(text, csvRows(text, '\t'), 'TSV');
      case 'json':
        return records(text, jsonMembers(text), 'JSON');
      case 'jsonl':
      case 'ndjson':
        return records(text, jsonLines(text), 'JSON lines');
      case 'ipynb':
        return this.#notebook(text);
      case 'txt':
      case 'rst':
      case 'log':
      case '':
        return { ...plainText(text), note: null };
      default:
        return { title: null, ...(await this.#code.parse(text, extension, this.#limits)) };
    }
  }

  async #notebook(text: string): Promise<Parted> {
    const language = notebookLanguage(text);
    const code = async (cell: string) => (await this.#code.parse(cell, language, this.#limits)).blocks;
    const found = await notebook(text, code);
    return structured(text, found, 'a notebook');
  }
}

function records(text: string, blocks: readonly Block[] | undefined, format: string): Parted {
  return structured(text, blocks && { title: null, blocks }, format);
}

function structured(text: string, found: Prose | undefined, format: string): Parted {
  if (found !== undefined) return { ...found, note: null };
  return { title: null, blocks: lineWindows(text.split('\n')), note: `parted by lines: it is not ${format}` };
}

function hasHugeLine(text: string): boolean {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    if (end - start > HUGE_LINE_CHARS) return true;
    start = end + 1;
  }
  return false;
}
