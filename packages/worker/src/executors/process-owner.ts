/**
 * Whose a process is, by what /proc tells of it. By this a task may be ended, so what cannot be read is `unknown` and
 * never a guess.
 *
 * 1. One that ended before it could be looked at is `gone`, which is no error.
 * 2. A driver names processes by the numbers they have on the host, also those in containers. A worker in a container of
 *    its own sees other numbers (unless it was given the host's: `--pid=host`), and can tell nothing by them.
 */
import { readFile, readlink } from 'node:fs/promises';

export type ProcessOwner =
  | { readonly kind: 'attempt'; readonly key: string }
  /** None of this worker's attempts. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' };

export const foreign: ProcessOwner = { kind: 'foreign' };
const gone = { kind: 'gone' } as const;
export const unknown = { kind: 'unknown' } as const;

/** PROC_PID_INIT_INO in the kernel: the process numbers of the host itself. */
const hostNamespace = 'pid:[4026531836]';

export async function seesTheHost(): Promise<boolean> {
  return (await readlink('/proc/self/ns/pid').catch(() => '')) === hostNamespace;
}

/** `/proc/PID/FILE`, or why there is no telling. */
export async function readProc(pid: number, file: string): Promise<string | typeof gone | typeof unknown> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return isGone(pid) ? gone : unknown;
  }
}

/** Where /proc hides other users' processes (`hidepid`), a file that is missing does not mean an end. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

const containerId = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/**
 * The containers that a `/proc/PID/cgroup` names, the inner ones last. Engines differ in all but the id (`/docker/ID`,
 * `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `kubepods/…/ID`, `…:cri-containerd:ID`), and so do
 * cgroup v1 and v2.
 */
export function containersIn(cgroup: string): readonly string[] {
  return cgroup.match(containerId) ?? [];
}
