/**
 * Where processes of tasks get control groups (the kernel's version 2): one for each attempt, which holds it to what it asked
 * for, and by which all that it started is ended, whatever that did to get away.
 *
 * 1. They are made below the worker's own group, where that is lent to it: by systemd (Delegate=), or because it is root. What
 *    is not lent is done without, and told in words.
 * 2. Only a group without processes of its own hands on controllers, which hold to something. So a unit has its worker in a
 *    subgroup (DelegateSubgroup=worker), and attempts lie beside that. Elsewhere their groups end them, and hold them to nothing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const subgroup = 'worker';
/** It enters a group before it becomes the program of a process. */
export const perl = '/usr/bin/perl';
const wanted = { cpu: 'CPUs', memory: 'memory', pids: 'processes' } as const;
export type Controller = keyof typeof wanted;

export interface ControlGroups {
  /** Holds one for each attempt, named by its key; null: there are none. */
  readonly folder: string | null;
  readonly controllers: readonly Controller[];
  /** What processes are not held to, and why; null: to all that they ask for. */
  readonly lack: string | null;
}

/** `name`: no other worker of this machine has it. `root`: where /proc is, and below which groups are mounted. */
export function findControlGroups(name: string, root = '/'): ControlGroups {
  const own = ownGroup(root);
  if (own === undefined) return nowhere('this machine has no control groups of version 2');
  if (!existsSync(join(root, perl))) return nowhere(`${perl} is not there, which has them enter one`);
  const base = basename(own) === subgroup ? dirname(own) : own;
  const folder = join(base, name);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    return nowhere(`none may be made in ${base} (${codeOf(error)}; Delegate= of its unit)`);
  }
  if (!existsSync(join(folder, 'cgroup.kill'))) {
    removeIfEmpty(folder);
    return nowhere('this kernel cannot end one as a whole (Linux 5.14 can)');
  }
  const lacks = new Map<Controller, string>();
  for (const controller of names()) {
    const why = handOn(controller, base) ?? handOn(controller, folder);
    if (why !== undefined) lacks.set(controller, why);
  }
  const [why] = lacks.values();
  const lack = why === undefined ? null : lackWords([...lacks.keys()], why);
  return { folder, controllers: names().filter((one) => !lacks.has(one)), lack };
}

/** Ends what is in groups of attempts that nobody runs any more, and removes them; one that is not empty yet goes the next time. */
export function endGroups({ folder }: ControlGroups, isRunning: (key: string) => boolean): void {
  if (folder === null || !existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || isRunning(entry.name)) continue;
    killGroup(join(folder, entry.name));
    removeIfEmpty(join(folder, entry.name));
  }
}

/** What is in it, and in groups below. False: there was nothing to be told, since it is gone. */
export function killGroup(folder: string): boolean {
  try {
    writeFileSync(join(folder, 'cgroup.kill'), '1');
    return true;
  } catch {
    return false;
  }
}

/** Whether it is gone. */
export function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
  return true;
}

function names(): readonly Controller[] {
  return Object.keys(wanted) as Controller[];
}

function nowhere(why: string): ControlGroups {
  return { folder: null, controllers: [], lack: lackWords(names(), why) };
}

function lackWords(controllers: readonly Controller[], why: string): string {
  const what = controllers.map((one) => wanted[one]).join(', ');
  return `what a process task takes in all is not limited (${what}): ${why}`;
}

/** Why it cannot be handed on to the groups below. */
function handOn(controller: Controller, folder: string): string | undefined {
  const has = textOf(join(folder, 'cgroup.controllers')).trim().split(' ');
  if (!has.includes(controller)) return `the control group ${folder} is not given what holds them`;
  try {
    writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    return code === 'EBUSY'
      ? 'its worker is in the control group that they are to be made in (systemd 254 keeps it out of that)'
      : `${folder} may not be changed (${code}; Delegate= of its unit)`;
  }
}

/** The folder of the group this process is in. */
function ownGroup(root: string): string | undefined {
  const mounts = textOf(join(root, 'proc/self/mountinfo')).split('\n');
  const mount = mounts.find((line) => / - cgroup2 /.test(line))?.split(' ')[4];
  const own = /^0::(.+)$/m.exec(textOf(join(root, 'proc/self/cgroup')))?.[1];
  if (mount === undefined || own === undefined) return undefined;
  const folder = join(root, mount, own);
  return existsSync(join(folder, 'cgroup.procs')) ? folder : undefined;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // what is not there is not offered
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
