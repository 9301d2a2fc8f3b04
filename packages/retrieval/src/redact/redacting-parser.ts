/**
 * Parses documents and redacts them before anything is made of their texts.
 *
 * 1. A text is redacted whole, as a document's block, before it is cut into passages: nothing stands across a cut.
 * 2. What parses knows no key: hostile documents are read there.
 */

import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import type { ParsedDocument } from '../parse/parse-document.ts';
import type { ParserPool } from '../parse/parser-pool.ts';
import { StoreError } from '../store/store.ts';
import type { RedactThread } from './redact-thread.ts';
import type { Redaction } from './redaction.ts';

export class RedactingParser {
  private readonly pool: ParserPool;
  private readonly thread: ThreadCalls<RedactThread>;
  private readonly begun: Promise<void>;

  constructor(pool: ParserPool, { terms }: Redaction) {
    this.pool = pool;
    this.thread = new ThreadCalls<RedactThread>(
      new URL('./redact-thread.js', import.meta.url),
      'redacting',
      StoreError,
    );
    this.begun = this.thread.call('begin', terms);
    // Whoever parses is told.
    this.begun.catch(() => undefined);
  }

  async parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    await this.begun;
    return await this.thread.call('redact', await this.pool.part(path, bytes));
  }

  async close(): Promise<void> {
    await this.thread.end();
  }
}
