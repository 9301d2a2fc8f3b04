/** The thread that answers questions to a store. */

import { serve } from '@gryphgen/runtime/thread-calls';
import type { NeighboursArgs } from './neighbours.ts';
import {
  type CopiedArgs,
  type FailedArgs,
  type OpenReadArgs,
  ReadOperations,
  type UnembeddedArgs,
} from './read-operations.ts';
import type { NearestQuery, StoreQuery } from './store.ts';
import { StoreError } from './store.ts';

const store = new ReadOperations();

const operations = {
  open: (args: OpenReadArgs) => store.open(args),
  search: (query: StoreQuery) => store.search(query),
  statistics: (asked: { readonly collection: string; readonly text: string }) => store.statistics(asked),
  neighbours: (args: NeighboursArgs) => store.neighbours(args),
  nearest: (query: NearestQuery) => store.nearest(query),
  embedding: (collection: string) => store.embedding(collection),
  unembedded: (args: UnembeddedArgs) => store.unembedded(args),
  countUnembedded: (collection: string) => store.countUnembedded(collection),
  copied: (args: CopiedArgs) => store.copied(args),
  copiedLearning: (collection: string) => store.copiedLearning(collection),
  sources: (collection: string) => store.sources(collection),
  failed: (args: FailedArgs) => store.failed(args),
  collections: (_: null) => store.collections(),
  feedback: (collection: string) => store.feedback(collection),
  versions: (collection: string) => store.versions(collection),
  pseudonyms: ({ collection, names }: { readonly collection: string; readonly names: readonly string[] }) =>
    store.pseudonyms(collection, names),
  check: (_: null) => store.check(),
  close: (_: null) => store.close(),
};

export type ReadThread = typeof operations;

serve(operations, StoreError);
