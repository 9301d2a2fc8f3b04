/** The thread that answers questions to a store. */

import { serve } from '@gryphgen/runtime/thread-calls';
import { ReadOperations } from './read-operations.ts';
import type { StoreQuery } from './store.ts';
import { StoreError } from './store.ts';
import type { OpenArgs } from './write-operations.ts';

const store = new ReadOperations();

const operations = {
  open: (args: OpenArgs) => store.open(args),
  search: (query: StoreQuery) => store.search(query),
  sources: (collection: string) => store.sources(collection),
  collections: (_: null) => store.collections(),
  feedback: (collection: string) => store.feedback(collection),
  versions: (collection: string) => store.versions(collection),
  check: (_: null) => store.check(),
  close: (_: null) => store.close(),
};

export type ReadThread = typeof operations;

serve(operations, StoreError);
