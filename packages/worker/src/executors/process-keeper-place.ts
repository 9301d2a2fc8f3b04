/**
 * Where the process keeper of a home is, and how it is ended by whoever cannot or will not speak with it.
 *
 * 1. It is known by its number, boot and start time: a number that was given out again is never signalled.
 * 2. What it held is known by the mark in the environment (stray-processes.ts), whoever holds it.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type Alarms,
  identityOf,
  isAlive,
  type ProcessIdentity,
  runFolder,
  systemAlarms,
  writePrivateFile,
} from '@gryphgen/runtime';
import { z } from 'zod';
import { removeGroups } from './attempt-groups.ts';
import { killStrays } from './stray-processes.ts';

/** The keeper gives what it holds 2 s; one that hangs is killed. */
const endMs = 10_000;
const lookMs = 20;

export interface KeeperPlace {
  /** `$GRID_HOME`, by its own name: two ways to it lead to one keeper. */
  readonly home: string;
  /** Holds the scratch folders, one for each attempt that is not forgotten, named by its key; nothing else is in it. */
  readonly root: string;
  readonly socketPath: string;
  readonly notePath: string;
  /** The last words of a keeper that crashed. */
  readonly logPath: string;
}

/** Tasks that are processes, and models that are loaded: what ends the one has nothing to do with the other. */
const holdings = {
  process: { scratch: 'scratch', keeper: 'keeper' },
  instance: { scratch: 'instances', keeper: 'models' },
} as const;

/** `path`: of a `$GRID_HOME`. */
export function keeperPlace(path: string, of: keyof typeof holdings = 'process'): KeeperPlace {
  const home = realPath(path);
  const folder = join(home, 'worker');
  const { scratch, keeper } = holdings[of];
  return {
    home,
    root: join(folder, scratch),
    socketPath: join(runFolder(home), `${keeper}.sock`),
    notePath: join(folder, `${keeper}.json`),
    logPath: join(folder, `${keeper}.log`),
  };
}

const noteSchema = z.object({ pid: z.number().int().min(1), startedAt: z.string() });

export function noteKeeper({ notePath }: KeeperPlace, pid: number): void {
  writePrivateFile(notePath, `${JSON.stringify(identityOf(pid))}\n`);
}

/** Null when there is none, or half of one. */
export function notedKeeper({ notePath }: KeeperPlace): ProcessIdentity | null {
  try {
    const parsed = noteSchema.safeParse(JSON.parse(readFileSync(notePath, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Resolves when the keeper that was noted last does not run, or cannot be killed. What it held may run. */
export async function endKeeper(place: KeeperPlace, alarms: Alarms): Promise<void> {
  const keeper = notedKeeper(place);
  if (keeper === null) return;
  for (let waitedMs = 0; isAlive(keeper) && waitedMs < 2 * endMs; waitedMs += lookMs) {
    if (waitedMs === 0) signal(keeper.pid, 'SIGTERM');
    if (waitedMs === endMs) signal(keeper.pid, 'SIGKILL');
    // It is nobody's child here: looking is the only way to know.
    await new Promise<void>((done) => void alarms.after(lookMs, done));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in this moment.
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path); // not there yet
  }
}

/** Ends every process that the worker of this home started, and their keepers; for when the worker is not to come back. */
export async function endProcesses(home: string): Promise<void> {
  for (const of of ['process', 'instance'] as const) {
    const place = keeperPlace(home, of);
    await endKeeper(place, systemAlarms);
    await killStrays(place.root);
    removeGroups(place.root);
  }
}
