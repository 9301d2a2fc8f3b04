import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeBody } from '@gryphgen/protocol';
import { createLog } from '@gryphgen/runtime';
import { ProcessExecutor } from '@gryphgen/worker';
import { executorSuite, type Place } from './executor-suite.ts';

function create({ events, logs, folder }: Place): ProcessExecutor {
  return new ProcessExecutor({
    events,
    log: createLog({ daemon: 'test', level: 'error' }),
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    folder: join(folder, 'scratch'),
    path: '/usr/bin:/bin',
  });
}

/** Scratch folders, and processes that run in one or were started for one. */
async function leftovers({ folder }: Place): Promise<readonly string[]> {
  const root = join(await realpath(folder), 'scratch');
  const left = await readdir(root);
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.includes(root))
      left.push(await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => pid));
  }
  return left;
}

executorSuite({ kind: 'process', create, leftovers, body: (command) => encodeBody({ command }) });
