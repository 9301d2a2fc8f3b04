/**
 * Parses in a thread of its own, begun with the first document. One that ends its thread (by the memory it takes) has not
 * been read; the next has another thread.
 */

import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import { StoreError } from '../store/store.ts';
import type { ParsedDocument } from './parse-document.ts';
import type { ParseThread } from './parse-thread.ts';

export class ThreadedParser {
  private thread: ThreadCalls<ParseThread> | undefined;

  async parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    this.thread ??= new ThreadCalls<ParseThread>(
      new URL('./parse-thread.js', import.meta.url),
      'parsing',
      StoreError,
    );
    try {
      return await this.thread.call('parse', { path, bytes });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await this.close();
      return { kind: 'refused', reason: error.message };
    }
  }

  async close(): Promise<void> {
    await this.thread?.end();
    this.thread = undefined;
  }
}
