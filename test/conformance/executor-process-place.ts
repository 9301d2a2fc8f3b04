/** The process executor in a place of its own, and what it may leave there. */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { createLog, type ProcessIdentity, systemAlarms } from '@gryphgen/runtime';
import { keeperPlace, noFiles, ProcessExecutor } from '@gryphgen/worker';
import type { Place } from './executor-suite.ts';

const numbers = /^[0-9]+$/;

export function createProcessExecutor({ events, logs, folder }: Place): ProcessExecutor {
  return new ProcessExecutor({
    events,
    log: createLog({ daemon: 'test', level: 'silent' }),
    alarms: systemAlarms,
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    resumeLog: ({ task, attempt }, held) => logs.resume(task, attempt, held),
    files: noFiles,
    home: folder,
    path: '/usr/bin:/bin',
  });
}

/** The processes that were started for an attempt in this place. */
export async function pidsOf({ folder }: Pick<Place, 'folder'>): Promise<readonly string[]> {
  return await pidsUnder(keeperPlace(await realpath(folder)).root);
}

/** Those whose scratch folder lies there. */
export async function pidsUnder(root: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => numbers.test(name));
  const environments = await Promise.all(pids.map((pid) => readProc(pid, 'environ')));
  return pids.filter((_, index) => environments[index]?.includes(root));
}

/** Their command lines. */
export async function processesOf(place: Pick<Place, 'folder'>): Promise<readonly string[]> {
  return Promise.all((await pidsOf(place)).map((pid) => readProc(pid, 'cmdline')));
}

/** The keeper of this place. */
export async function keeperOf({ folder }: Pick<Place, 'folder'>): Promise<ProcessIdentity> {
  return JSON.parse(await readFile(keeperPlace(folder).notePath, 'utf8')) as ProcessIdentity;
}

/** Empty when the process has ended meanwhile, or is somebody else's. */
function readProc(pid: string, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
}
