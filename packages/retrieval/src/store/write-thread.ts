/** The thread that writes to a store. Merges happen between two operations, when an answer has left. */

import { serve } from '@gryphgen/runtime/thread-calls';
import { StoreError } from './store.ts';
import type { ApplyArgs, OpenArgs } from './write-operations.ts';
import { WriteOperations } from './write-operations.ts';

const store = new WriteOperations();

const operations = {
  open: (args: OpenArgs) => store.open(args),
  apply: (args: ApplyArgs) => {
    store.apply(args);
    mergesDue = true;
  },
  drop: (collection: string) => store.drop(collection),
  purge: (_: null) => store.purge(),
  close: (_: null) => store.close(),
};
let mergesDue = false;

export type WriteThread = typeof operations;

serve(operations, StoreError, () => {
  if (!mergesDue) return;
  mergesDue = false;
  while (store.merge());
});
