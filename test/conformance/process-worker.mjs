/**
 * A worker's process with nothing but the process executor in it, for tests that kill it. Told over IPC: `{start: order}`,
 * `{stop: fence, why}`; tells what it is told: `{kind, ...}`, and `{kind: 'adopted', found}` first. Plain JavaScript,
 * because it is forked without a compiler.
 */
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { LogStore, noFiles, ProcessExecutor } from '@gryphgen/worker';

const [folder] = process.argv.slice(2);
const tell = (message) => process.send(message);
const log = createLog({ daemon: 'test', level: 'silent' });
const logs = await LogStore.open(
  `${folder}/logs`,
  { attemptBytes: 1_000_000, totalBytes: 10_000_000 },
  { clock: systemClock, alarms: systemAlarms, log },
);
const executor = new ProcessExecutor({
  files: noFiles,
  events: {
    started: (fence) => tell({ kind: 'started', fence }),
    exited: (fence, exit) => tell({ kind: 'exited', fence, exit }),
    startFailed: (fence, failure) => tell({ kind: 'startFailed', fence, failure }),
    used: (fence, use) => tell({ kind: 'used', fence, use }),
  },
  log,
  alarms: systemAlarms,
  beginLog: ({ task, attempt }) => logs.begin(task, attempt),
  resumeLog: ({ task, attempt }, held) => logs.resume(task, attempt, held),
  home: folder,
  path: '/usr/bin:/bin',
});
process.on('message', ({ start, stop, why }) => {
  if (start !== undefined) executor.start(start);
  if (stop !== undefined) executor.stop(stop, 30_000, why);
  tell({ kind: 'obeyed' });
});
tell({ kind: 'adopted', found: await executor.adopt() });
