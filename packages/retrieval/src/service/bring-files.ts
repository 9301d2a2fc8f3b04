/** Has a source of a collection be these files, and tells how far it is. */
import { type Failure, failure, type IngestResult, type SourceName } from '@gryphgen/protocol';
import { ParserPool } from '../parse/parser-pool.ts';
import { RedactingParser } from '../redact/redacting-parser.ts';
import type { Redaction } from '../redact/redaction.ts';
import type { Store } from '../store/store.ts';
import { type SyncProgress, syncCollection } from '../sync/sync-collection.ts';
import { causeChars } from './failed-files.ts';
import { isOf, pathOf } from './file-key.ts';
import { originOf, type SourceFile } from './given-files.ts';
import type { Beginning } from './roots.ts';

/** Of failed files, those that are named in the answer; all are by `failedFiles`. */
const namedFailures = 20;
const tellEachMs = 2000;

export interface Ingesting extends Beginning {
  /** Aborted: what is done stays done. */
  readonly signal: AbortSignal;
  /** A line on how far it is. */
  readonly tell: (line: string) => void;
  /** Nothing is brought to a collection that keeps texts as they are. */
  readonly mustRedact?: boolean;
  /** What the source is called that is one file, where its path does not say it. */
  readonly file?: string | undefined;
}

interface Bringing {
  readonly store: Store;
  readonly parser: ParserPool;
  readonly collection: string;
  readonly source: SourceName;
  readonly files: readonly SourceFile[];
  readonly redaction: Redaction | undefined;
}

export async function bringFiles(
  { store, parser: pool, collection, source, files, redaction }: Bringing,
  { signal, tell, file }: Ingesting,
): Promise<IngestResult | Failure> {
  let toldAt = performance.now();
  const onProgress = ({ done, files: of }: SyncProgress): void => {
    if (performance.now() - toldAt < tellEachMs) return;
    toldAt = performance.now();
    tell(`${done} of ${of} files`);
  };
  const redacting = redaction && new RedactingParser(pool, redaction);
  try {
    const {
      failed,
      notes: _,
      ...counts
    } = await syncCollection({
      ...{ store, collection, signal, onProgress },
      parser: redacting ?? pool,
      origin: originOf(source, files, redaction, file),
      atOnce: ParserPool.size,
      owns: (key) => isOf(key, source),
    });
    const named = failed.slice(0, namedFailures).map(({ key, cause }) => ({
      path: pathOf(key),
      cause: cause.slice(0, causeChars),
    }));
    return { ...counts, failedFiles: failed.length, failed: named };
  } catch (error) {
    if (signal.aborted && error === signal.reason) return failure('cancelled.user', 'it was stopped');
    throw error;
  } finally {
    await redacting?.close();
  }
}
