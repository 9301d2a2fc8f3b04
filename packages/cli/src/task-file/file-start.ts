/** A task file as bytes. */
import { closeSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../problem.ts';
import { maxFileBytes } from './yaml-source.ts';

/**
 * Not more than tells that it is too long: it may be a device, or a pipe that never ends. Throws UsageError when it
 * cannot be read.
 */
export function readFileStart(file: string, expected = 'a task file'): Buffer {
  const start = Buffer.alloc(maxFileBytes + 1);
  let length = 0;
  try {
    const open = openSync(file, 'r');
    try {
      for (let read = -1; read !== 0 && length < start.length; length += read)
        read = readSync(open, start, length, start.length - length, null);
    } finally {
      closeSync(open);
    }
  } catch (error) {
    throw new UsageError(fileWords(file, error, expected));
  }
  return start.subarray(0, length);
}

function fileWords(file: string, error: unknown, expected: string): string {
  switch (error instanceof Error && 'code' in error && error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return `${file === '' ? '""' : file}: there is no such file${expected === 'a task file' ? ' (a command to run goes after "--")' : ''}`;
    case 'EISDIR':
      return `${file}: found a folder, expected ${expected}`;
    case 'EACCES':
      return `${file}: this user may not read it`;
    default:
      return `${file}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
