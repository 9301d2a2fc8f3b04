/**
 * Whether a folder of the machine may be handed to containers. A slip in a policy must not hand over the machine itself:
 * never what holds the engine's socket, the engine's own files, the grid's keys or the kernel's view of the machine, by
 * whatever path it is named.
 *
 * 1. Judged by the path behind all symbolic links, and it is this path that is mounted.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isWithin } from '@gryphgen/protocol';

export type HostFolder =
  /** `path`: behind all symbolic links. */
  | { readonly kind: 'there'; readonly path: string }
  | { readonly kind: 'missing'; readonly words: string }
  | { readonly kind: 'forbidden'; readonly words: string };

/** What no container may have, nor what lies in it, nor a folder that it lies in; with what to say of it. */
export interface Forbidden {
  readonly path: string;
  readonly what: string;
}

const always: readonly Forbidden[] = [
  { path: '/proc', what: "the kernel's view of the machine" },
  { path: '/sys', what: "the kernel's view of the machine" },
  { path: '/dev', what: "the machine's devices" },
  { path: '/run/containerd', what: "the container engine's own files" },
  { path: '/var/lib/docker', what: "the container engine's own files" },
  { path: '/var/lib/containerd', what: "the container engine's own files" },
];

/**
 * `sockets`: of the engine. Of a socket's folder only the folder itself is forbidden, not all that lies in it: beside
 * /run/docker.sock lies half the machine.
 */
export async function forbiddenFolders(
  home: string,
  sockets: readonly string[],
): Promise<readonly Forbidden[]> {
  const paths: Forbidden[] = [
    ...sockets.map((path) => ({ path, what: 'the socket of the Docker engine: who has it is root' })),
    { path: home, what: "the grid's home, where its keys are" },
  ];
  const real = await Promise.all(
    paths.map(async ({ path, what }) => ({ path: await behindLinks(path), what })),
  );
  return [...real, ...paths, ...always];
}

/** Of what is not there yet (a socket whose engine is stopped), where it will be. */
async function behindLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(await behindLinks(folder), basename(path));
  }
}

/** `path` is absolute. */
export async function lookAtFolder(path: string, forbidden: readonly Forbidden[]): Promise<HostFolder> {
  let real: string;
  try {
    real = await realpath(path);
    if (!(await stat(real)).isDirectory()) return { kind: 'forbidden', words: `${path} is no folder` };
  } catch (error) {
    // It may be forbidden all the same once it is there.
    const clash = clashWith(path, forbidden);
    if (clash !== undefined) return clash;
    const why = error instanceof Error && 'code' in error ? error.code : String(error);
    return {
      kind: 'missing',
      words: `${path} cannot be used: ${why === 'ENOENT' ? 'it is not there' : why}`,
    };
  }
  return clashWith(real, forbidden, path) ?? { kind: 'there', path: real };
}

function clashWith(
  path: string,
  forbidden: readonly Forbidden[],
  named = path,
): { readonly kind: 'forbidden'; readonly words: string } | undefined {
  const link = named === path ? '' : ` (which is ${path})`;
  if (path === '/') return { kind: 'forbidden', words: `${named}${link} is the whole machine` };
  const clash = forbidden.find((one) => isWithin(one.path, path) || isWithin(path, one.path));
  if (clash === undefined) return undefined;
  const where = isWithin(path, clash.path) ? 'is or lies in' : 'holds';
  return { kind: 'forbidden', words: `${named}${link} ${where} ${clash.path}: ${clash.what}` };
}

/** Of mounts by name: which are in what another may write, where its tasks could put something else in their place. */
export function nestedInWritable(
  mounts: Readonly<Record<string, { readonly path: string; readonly write: boolean }>>,
): readonly { readonly name: string; readonly other: string }[] {
  return Object.entries(mounts).flatMap(([name, { path }]) =>
    Object.entries(mounts)
      .filter(([, other]) => other.write && isWithin(dirname(path), other.path))
      .map(([other]) => ({ name, other })),
  );
}
