/**
 * The process that parses. Its thread does the work; this one stays free to keep the limits, and ends with the service that
 * began it, in whatever way that ended.
 *
 * 1. One document at a time. Each is answered, or the process ends.
 * 2. What takes the process more memory than it may have costs it: the cause is told, and the process ends. So it does when
 *    a document has left it large: the next is not to pay for it.
 */
import type { ParsedDocument, PartedDocument } from './parse-document.ts';
import { type Reading, ThreadedParser, tooMuchMemory } from './threaded-parser.ts';

/** From the service. */
export interface ParseRequest {
  readonly as: Reading;
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface ParseAnswer {
  readonly parsed: ParsedDocument | PartedDocument;
  /** The process ends with it. */
  readonly isLast: boolean;
}

/** Its arguments, in this order. */
const [documentMs = 0, heapMb = 0, residentMb = 0] = process.argv.slice(2).map(Number);
/** What a document takes between two looks is what it may take beyond the limit. */
const lookEachMs = 50;

const parser = new ThreadedParser({ documentMs, heapMb });

function answer(parsed: ParseAnswer['parsed'], isLast: boolean): void {
  // An error here says that the service is gone; `disconnect` says so too.
  const said: ParseAnswer = { parsed, isLast };
  process.send?.(said, undefined, {}, () => {
    if (isLast) process.exit(0);
  });
}

process.on('message', ({ as, path, bytes }: ParseRequest) => {
  const watch = setInterval(() => {
    if (process.memoryUsage.rss() < residentMb * 1024 ** 2) return;
    clearInterval(watch);
    answer({ kind: 'refused', reason: tooMuchMemory(residentMb) }, true);
  }, lookEachMs);
  void parser.read(as, path, bytes).then((parsed) => {
    clearInterval(watch);
    answer(parsed, process.memoryUsage.rss() > (residentMb * 1024 ** 2) / 2);
  });
});
process.on('disconnect', () => process.exit(0));
