/** `grid up --detach`: the supervisor as a process of its own, which tells once that all answers, or why not. */
import { fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePrivateFolder } from '@gryphgen/runtime';
import { daemonWordSchema } from './daemon-life.ts';
import { openLog } from './supervised.ts';

const program = fileURLToPath(new URL('../../bin/grid.js', import.meta.url));

/** Resolves when it is up; rejects with its last words. `args` as for `grid`. */
export function startDetached(
  home: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  makePrivateFolder(join(home, 'logs'));
  const logFile = join(home, 'logs', 'up.log');
  const log = openLog(logFile);
  const child = fork(program, [...args], { env, detached: true, stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  return new Promise((resolve, reject) => {
    let lastWords = '';
    child.on('message', (raw) => {
      const word = daemonWordSchema.safeParse(raw);
      if (!word.success) return;
      if (word.data.kind === 'failed') lastWords = word.data.words;
      else {
        child.disconnect();
        child.unref();
        resolve();
      }
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const how = lastWords === '' ? `the supervisor ended with ${signal ?? `exit code ${code}`}` : lastWords;
      reject(new Error(`${how} (log: ${logFile})`));
    });
  });
}
