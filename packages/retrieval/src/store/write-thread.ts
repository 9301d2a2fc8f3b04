/** The thread that writes to a store. Merges happen between two operations, when an answer has left. */

import { serve } from '@gryphgen/runtime/thread-calls';
import {
  type CopiedLearning,
  type Embedding,
  type FeedbackEntry,
  type LearnedVersion,
  type PassageVector,
  StoreError,
} from './store.ts';
import type { ApplyArgs, ForgetArgs, OpenArgs } from './write-operations.ts';
import { WriteOperations } from './write-operations.ts';

interface EmbedArgs {
  readonly collection: string;
  readonly embedding: Embedding;
  readonly again: boolean;
}

interface AddVectorsArgs {
  readonly collection: string;
  readonly vectors: readonly PassageVector[];
}

type NewVersion = Omit<LearnedVersion, 'version'>;

const store = new WriteOperations();

const operations = {
  open: (args: OpenArgs) => store.open(args),
  apply: (args: ApplyArgs) => {
    store.apply(args);
    mergesDue = true;
  },
  drop: (collection: string) => store.drop(collection),
  addFeedback: ({ collection, entry }: { readonly collection: string; readonly entry: FeedbackEntry }) =>
    store.addFeedback(collection, entry),
  addVersion: ({ collection, version }: { readonly collection: string; readonly version: NewVersion }) =>
    store.addVersion(collection, version),
  learnAs: ({ collection, learning }: { readonly collection: string; readonly learning: CopiedLearning }) =>
    store.learnAs(collection, learning),
  embedBy: ({ collection, embedding, again }: EmbedArgs) => store.embedBy(collection, embedding, again),
  addVectors: ({ collection, vectors }: AddVectorsArgs) => store.addVectors(collection, vectors),
  forget: (args: ForgetArgs) => store.forget(args),
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
