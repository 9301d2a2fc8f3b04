/** The journal's thread: every synchronous call to the log's database happens here. */

import { serve } from '@gryphgen/runtime/thread-calls';
import { JournalError } from './journal.ts';
import {
  type AppendArgs,
  JournalOperations,
  type OpenJournalArgs,
  type RemoveBlobsArgs,
} from './journal-operations.ts';

const journal = new JournalOperations();

const operations = {
  open: (args: OpenJournalArgs) => journal.open(args),
  append: (args: AppendArgs) => journal.append(args),
  blob: (hash: string) => journal.blob(hash),
  digestAt: (seq: number) => journal.digestAt(seq),
  checkWitness: (head: { readonly seq: number; readonly digest: string }) => journal.checkWitness(head),
  read: (args: { readonly after: number; readonly bytes: number }) => journal.read(args),
  compact: (args: { readonly seq: number; readonly rows: number; readonly bytes: number }) =>
    journal.compact(args),
  removeBlobs: (args: RemoveBlobsArgs) => journal.removeBlobs(args),
  close: () => journal.close(),
};

export type JournalThread = typeof operations;

// The log is written back after an answer has left, never before it.
serve(operations, JournalError, () => journal.checkpoint());
