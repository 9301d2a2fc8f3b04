/**
 * What the machine refused: a path that leads nowhere, a folder of somebody else's, a full disk. It is the user's to
 * mend, not a bug of grid: the path, what happened, and what to do.
 */
import { type Failure, type FailureCode, failure } from '@gryphgen/protocol';

/** `whyNot` follows what could not be done. Exit codes follow from the failure codes: 7, 2 and 3. */
const known: Readonly<Record<string, readonly [code: FailureCode, whyNot: string, fix: string]>> = {
  EACCES: ['rejected.forbidden', 'this user may not', 'use the user it belongs to, or another GRID_HOME'],
  EPERM: ['rejected.forbidden', 'this user may not', 'use the user it belongs to, or another GRID_HOME'],
  EROFS: ['rejected.forbidden', 'the file system is read-only', 'set GRID_HOME to where it is not'],
  ENOENT: ['rejected.invalid', 'it is not there', 'is the path right?'],
  ENOTDIR: ['rejected.invalid', 'a part of the path is no folder', 'is GRID_HOME right?'],
  EISDIR: ['rejected.invalid', 'it is a folder', 'is the path right?'],
  EEXIST: ['rejected.invalid', 'something else is there', 'is GRID_HOME right?'],
  ELOOP: ['rejected.invalid', 'its links lead in a circle', 'is the path right?'],
  ENAMETOOLONG: ['rejected.invalid', 'the path is too long', 'use a shorter GRID_HOME'],
  ENOSPC: ['rejected.state', 'the disk is full', 'free some space, or set GRID_HOME to where there is some'],
  EDQUOT: [
    'rejected.state',
    'the quota is used up',
    'free some space, or set GRID_HOME to where there is some',
  ],
  EIO: ['rejected.state', 'the disk does not work', 'see what the kernel says: dmesg'],
  EMFILE: ['rejected.state', 'too many files are open', 'raise the limit: ulimit -n'],
  ENFILE: ['rejected.state', 'too many files are open on this machine', 'close some programs'],
};

/** Undefined when the error is not the machine's. */
export function systemFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined;
  const words = Object.hasOwn(known, String(error.code)) ? known[String(error.code)] : undefined;
  if (words === undefined) return undefined;
  const [code, whyNot, fix] = words;
  const path = 'path' in error ? ` ${String(error.path)}` : '';
  return failure(code, `cannot ${String(error.syscall)}${path}: ${whyNot} (${String(error.code)}); ${fix}`);
}
