/**
 * Where unix sockets live. The kernel allows 107 bytes for their path: where `$GRID_HOME/run` is too deep, a folder in
 * the temporary one named by the home's hash takes its place. Others can write there, so it is used only when it is
 * ours alone; two homes never share one.
 */
import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import { makePrivateFolder } from './atomic-file.ts';

const maxSocketPathBytes = 107;
/** The longest name of a socket of ours, with room for more. */
const nameBytes = 24;

export function runFolder(home: string): string {
  const beside = join(home, 'run');
  if (Buffer.byteLength(beside) + 1 + nameBytes <= maxSocketPathBytes) return beside;
  const hash = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return join(tmpdir(), `gryphgen-${process.getuid?.() ?? 0}-${hash}`);
}

export function brokerSocketPath(home: string): string {
  return join(runFolder(home), 'broker.sock');
}

/** Throws GridError `rejected.forbidden` when the folder is somebody else's. */
export function makeRunFolder(home: string): string {
  const folder = runFolder(home);
  const before = lstatSync(folder, { throwIfNoEntry: false });
  if (before && (!before.isDirectory() || before.uid !== process.getuid?.())) {
    const words = `${folder} belongs to somebody else: set TMPDIR or use a shorter GRID_HOME`;
    throw new GridError(failure('rejected.forbidden', words));
  }
  makePrivateFolder(folder);
  return folder;
}
