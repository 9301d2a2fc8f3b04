/** The thread that redacts documents: going through large ones holds up nothing of the service. */

import { serve } from '@gryphgen/runtime/thread-calls';
import { chunked } from '../parse/chunked.ts';
import type { ParsedDocument, PartedDocument } from '../parse/parse-document.ts';
import { StoreError } from '../store/store.ts';
import { Redaction, type RedactionTerms } from './redaction.ts';

let redaction: Redaction | undefined;

const operations = {
  begin: (terms: RedactionTerms): void => {
    redaction = new Redaction(terms);
  },
  redact: (parted: PartedDocument): ParsedDocument => {
    if (redaction === undefined) throw new StoreError('closed', 'The redaction has not begun.');
    const redactor = redaction.redactor();
    if (parted.kind === 'refused') return { kind: 'refused', reason: redactor.text(parted.reason) };
    const { title, blocks, notes } = parted;
    const redacted = {
      title: title === null ? null : redactor.text(title),
      blocks: redactor.blocks(blocks),
      notes: notes.map((note) => redactor.text(note)),
    };
    const parsed = chunked({ kind: 'parted', ...redacted });
    return parsed.kind === 'refused' ? parsed : { ...parsed, pseudonyms: redaction.sealed(redactor) };
  },
};

export type RedactThread = typeof operations;

serve(operations, StoreError);
