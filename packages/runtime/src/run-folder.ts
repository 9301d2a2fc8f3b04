/**
 * Where unix sockets live. The kernel allows 107 bytes for their path: where `$GRID_HOME/run` is too deep, a folder in
 * /tmp named by the home's hash takes its place (not in $TMPDIR, which may be as deep, and differs from shell to shell).
 * Others can write there, so it is used only when it is ours alone; two homes never share one.
 */
import { createHash } from 'node:crypto';
import { lstatSync, rmSync } from 'node:fs';
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
  return join('/tmp', `gryphgen-${process.getuid?.() ?? 0}-${hash}`);
}

export function brokerSocketPath(home: string): string {
  return join(runFolder(home), 'broker.sock');
}

/** Throws GridError `rejected.forbidden` when the folder is somebody else's. */
export function makeRunFolder(home: string): string {
  const folder = runFolder(home);
  const before = lstatSync(folder, { throwIfNoEntry: false });
  if (before && (!before.isDirectory() || before.uid !== process.getuid?.())) {
    const words = `${folder} belongs to somebody else: use a shorter GRID_HOME`;
    throw new GridError(failure('rejected.forbidden', words));
  }
  makePrivateFolder(folder);
  return folder;
}

/** For the last who used it: what is in /tmp would stay for nobody. */
export function removeRunFolder(home: string): void {
  const folder = runFolder(home);
  if (!folder.startsWith(join(home, '/'))) rmSync(folder, { recursive: true, force: true });
}
