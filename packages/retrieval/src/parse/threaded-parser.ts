/**
 * Parses in a thread of its own, begun with the first document. One that takes its thread more memory or time than it is given
 * has not been read; the next has another thread.
 */

import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import { StoreError } from '../store/store.ts';
import type { ParsedDocument, PartedDocument } from './parse-document.ts';
import type { ParseThread } from './parse-thread.ts';

export interface ThreadLimits {
  readonly documentMs: number;
  readonly heapMb: number;
}

export type Reading = 'parse' | 'part';

export class ThreadedParser {
  private readonly limits: ThreadLimits;
  private thread: ThreadCalls<ParseThread> | undefined;

  constructor(limits: ThreadLimits) {
    this.limits = limits;
  }

  /** `as`: passages, or blocks of which they are still to be made. */
  async read(as: Reading, path: string, bytes: Uint8Array): Promise<ParsedDocument | PartedDocument> {
    const { documentMs, heapMb } = this.limits;
    this.thread ??= new ThreadCalls<ParseThread>(
      new URL('./parse-thread.js', import.meta.url),
      'parsing',
      StoreError,
      { maxOldGenerationSizeMb: heapMb },
    );
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void this.close();
    }, documentMs);
    try {
      return await this.thread.call(as, { path, bytes });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await this.close();
      if (late) return { kind: 'refused', reason: `reading it takes over ${documentMs / 1000} s` };
      const isMemory = error.message.includes('ERR_WORKER_OUT_OF_MEMORY');
      return { kind: 'refused', reason: isMemory ? tooMuchMemory(heapMb) : error.message };
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    const { thread } = this;
    this.thread = undefined;
    await thread?.end();
  }
}

export function tooMuchMemory(mb: number): string {
  return `reading it takes over ${mb} MiB of memory`;
}
