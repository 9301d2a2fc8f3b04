/** The process executor in a place of its own, and what it may leave there. */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { createLog, systemAlarms } from '@gryphgen/runtime';
import { ProcessExecutor } from '@gryphgen/worker';
import type { Place } from './executor-suite.ts';

const numbers = /^[0-9]+$/;

export function createProcessExecutor({ events, logs, folder }: Place): ProcessExecutor {
  return new ProcessExecutor({
    events,
    log: createLog({ daemon: 'test', level: 'silent' }),
    alarms: systemAlarms,
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    folder: join(folder, 'scratch'),
    path: '/usr/bin:/bin',
  });
}

/** The command lines of processes that were started for an attempt in this place. */
export async function processesOf({ folder }: Place): Promise<readonly string[]> {
  const root = join(await realpath(folder), 'scratch');
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => numbers.test(name))) {
    const environment = await readProc(pid, 'environ');
    if (environment.includes(root)) found.push(await readProc(pid, 'cmdline'));
  }
  return found;
}

/** The keeper this process has forked last. */
export async function keeperPid(): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => numbers.test(name));
  for (const pid of pids.sort((a, b) => Number(b) - Number(a))) {
    const command = await readProc(pid, 'cmdline');
    const status = await readProc(pid, 'status');
    if (command.includes('process-keeper.js') && status.includes(`PPid:\t${process.pid}\n`))
      return Number(pid);
  }
  throw new Error('there is no process keeper');
}

/** Empty when the process has ended meanwhile, or is somebody else's. */
function readProc(pid: string, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
}
