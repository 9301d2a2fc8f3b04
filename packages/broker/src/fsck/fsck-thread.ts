/** The thread in which a running broker's home is checked: reading it takes long and holds up nothing. */
import { setPriority } from 'node:os';
import { serve } from '@gryphgen/runtime/thread-calls';
import { JournalError } from '../journal/journal.ts';
import { checkHome, type HomeCheck } from './check-home.ts';

/** As the fold's (journal/fold-thread.ts). */
const niceness = 10;

if (process.platform === 'linux') setPriority(0, niceness);

const operations = { check: (check: HomeCheck) => checkHome(check) };

export type FsckThread = typeof operations;

serve(operations, JournalError);
