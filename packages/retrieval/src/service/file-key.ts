/** Files of a collection, by the machine they are on and their path there: what a store's sources are named by. */
import { basename } from 'node:path/posix';
import type { SourceName } from '@gryphgen/protocol';

/** A machine's name has no line end (protocol). */
export function keyOf({ machine, path }: SourceName, inside: string): string {
  return `${machine}\n${inside === '' ? path : `${path.endsWith('/') ? path : `${path}/`}${inside}`}`;
}

/** A document of the web is one file, also where another's address goes on from its own. */
function isAddress(path: string): boolean {
  return /^https?:\/\//.test(path);
}

/**
 * What a source is about, without where it is: `git+file:///src/grid@main` is grid, `stdin:notes.md` notes.md, and an address
 * the end of its path.
 */
export function ownName(path: string): string {
  if (isAddress(path)) return basename(path.replace(/[?#].*$/s, ''));
  if (path.startsWith('git+file:')) return basename(path.slice(0, path.lastIndexOf('@')));
  return basename(path.replace(/^stdin:/, ''));
}

export function machineOf(key: string): string {
  return key.slice(0, key.indexOf('\n'));
}

export function pathOf(key: string): string {
  return key.slice(key.indexOf('\n') + 1);
}

export function isOf(key: string, { machine, path }: SourceName): boolean {
  const whole = `${machine}\n${path}`;
  if (isAddress(path)) return key === whole;
  return key === whole || key.startsWith(whole.endsWith('/') ? whole : `${whole}/`);
}

export function isSource(a: SourceName, b: SourceName): boolean {
  return a.machine === b.machine && a.path === b.path;
}
