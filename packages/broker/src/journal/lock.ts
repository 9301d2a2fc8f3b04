/** Exclusive use of a journal's folder, with the journal's own error for whoever finds it in use. */
import { type FolderLock, lockFolder } from '@gryphgen/runtime/folder-lock';
import { JournalError } from './journal.ts';

/** Makes the folder if there is none. Throws JournalError `locked`. `holder` is told to whoever finds the folder in use. */
export function lockJournal(dir: string, holder: string): FolderLock {
  const taken = lockFolder(dir, 'journal', holder);
  if ('lock' in taken) return taken.lock;
  throw new JournalError(
    'locked',
    `The journal in ${dir} is in use by ${taken.heldBy}. One broker at a time: stop that one, or choose another GRID_HOME.`,
  );
}
