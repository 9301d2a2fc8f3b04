/** The thread that parses: a document that takes long, or more memory than there is, takes nothing of the service's own. */

import { serve } from '@gryphgen/runtime/thread-calls';
import { StoreError } from '../store/store.ts';
import { DocumentParser } from './parse-document.ts';

const parser = new DocumentParser(() => performance.now());

interface Document {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const operations = {
  parse: ({ path, bytes }: Document) => parser.parse(path, bytes),
  part: ({ path, bytes }: Document) => parser.part(path, bytes),
};

export type ParseThread = typeof operations;

serve(operations, StoreError);
