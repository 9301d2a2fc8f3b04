/** Two processes that parse: one document does not wait for another's grammar. The second is begun when the first is at work. */
import type { ParsedDocument, PartedDocument } from './parse-document.ts';
import { ProcessParser } from './process-parser.ts';

export class ParserPool {
  /** Documents that it takes at once. */
  static readonly size = 2;
  private readonly parsers = Array.from({ length: ParserPool.size }, () => ({
    parser: new ProcessParser(),
    open: 0,
  }));

  parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    return this.byFree((parser) => parser.parse(path, bytes));
  }

  part(path: string, bytes: Uint8Array): Promise<PartedDocument> {
    return this.byFree((parser) => parser.part(path, bytes));
  }

  private async byFree<T>(read: (parser: ProcessParser) => Promise<T>): Promise<T> {
    const free = this.parsers.reduce((least, one) => (one.open < least.open ? one : least));
    free.open += 1;
    try {
      return await read(free.parser);
    } finally {
      free.open -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.parsers.map(({ parser }) => parser.close()));
  }
}
