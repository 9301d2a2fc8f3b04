/** Two processes that parse: one document does not wait for another's grammar. The second is begun when the first is at work. */
import type { ParsedDocument } from './parse-document.ts';
import { ProcessParser } from './process-parser.ts';

export class ParserPool {
  /** Documents that it takes at once. */
  static readonly size = 2;
  private readonly parsers = Array.from({ length: ParserPool.size }, () => ({
    parser: new ProcessParser(),
    open: 0,
  }));

  async parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    const free = this.parsers.reduce((least, one) => (one.open < least.open ? one : least));
    free.open += 1;
    try {
      return await free.parser.parse(path, bytes);
    } finally {
      free.open -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.parsers.map(({ parser }) => parser.close()));
  }
}
