/** The fold's thread: loads the folder module and folds at its own pace, never in the way of a commit. */
import { setPriority } from 'node:os';
import type { TaskId } from '@gryphgen/protocol';
import { serve } from '@gryphgen/runtime/thread-calls';
import { FoldOperations, type StartFoldArgs } from './fold-operations.ts';
import type { Folder } from './folder.ts';
import type { HistoryQuery } from './journal.ts';
import { JournalError } from './journal.ts';

/** Niceness: about a tenth of a core when the broker wants it all, and the whole of an idle one. */
const FOLD_NICENESS = 10;

// Linux keeps niceness by thread, and 0 means the caller: the broker's loop and its commits are not slowed. Elsewhere it
// is the whole process's, which would be worse than nothing.
if (process.platform === 'linux') setPriority(0, FOLD_NICENESS);

let fold: FoldOperations | undefined;

function started(): FoldOperations {
  if (fold === undefined) throw new JournalError('closed', 'The fold has not been started.');
  return fold;
}

const operations = {
  start: async (args: StartFoldArgs) => {
    const folder = (await import(args.folder)) as Folder<unknown>;
    fold = new FoldOperations(args, folder);
    return fold.findings;
  },
  advance: (to: number) => started().advance(to),
  snapshot: (_: null) => started().snapshot(),
  history: (query: HistoryQuery) => started().history(query),
  historyOf: (task: TaskId) => started().historyOf(task),
  close: (_: null) => fold?.close(),
};

export type FoldThread = typeof operations;

serve(operations, JournalError);
