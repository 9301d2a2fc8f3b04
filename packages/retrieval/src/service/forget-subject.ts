/** Takes a subject out of a collection, by its name and by its pseudonym, and looks for it in the service's files then. */
import { type Failure, type ForgetResult, failure } from '@gryphgen/protocol';
import { foldedSubject } from '../core/forget/subject.ts';
import { pseudonymsIn } from '../redact/redaction.ts';
import type { Store } from '../store/store.ts';
import { searchFiles } from './file-search.ts';

/** Of which collections an answer tells. */
export type Shows = (collection: string) => boolean;

interface Forgetting {
  readonly store: Store;
  /** Whose files are searched. */
  readonly folder: string;
  readonly collection: string;
  readonly subject: string;
  /** The same, as the collection has it: with pseudonyms. */
  readonly text: string;
  readonly shows: Shows;
}

export async function forgetSubject({
  store,
  folder,
  collection,
  subject,
  text,
  shows,
}: Forgetting): Promise<ForgetResult | Failure> {
  const folded = foldedSubject(subject);
  if (folded === undefined)
    return failure('rejected.invalid', 'expected 3 letters or digits at least of what is to be forgotten');
  // Other collections may have it as it is.
  const first = await store.forget(collection, folded, pseudonymsIn(text));
  const elsewhere = first.elsewhere.filter((one) => shows(one.collection));
  const searched = await searchFiles(folder, subject);
  const { passages, files, feedback } = first;
  if (text === subject) return { passages, files, feedback, searched, elsewhere };
  const more = await store.forget(collection, foldedSubject(text) ?? folded);
  const again = await searchFiles(folder, text);
  return {
    passages: passages + more.passages,
    files: files + more.files,
    feedback: feedback + more.feedback,
    searched: again.map((file, at) => ({ ...file, found: file.found + (searched[at]?.found ?? 0) })),
    elsewhere,
  };
}
