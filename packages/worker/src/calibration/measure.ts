/** Starts the process that measures this machine, and hears what it prints. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { calibrationParts, type Measured } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';

/** Of each of four parts: three seconds in all, where nothing hangs. */
const partMs = 800;
/** A disk that hangs is not waited for; what was measured by then counts. */
const limitMs = 15_000;

/** What was measured until it was over or aborted. Rejects when the process cannot be started. */
export type Measure = (folder: string, signal: AbortSignal) => Promise<Measured>;

export function measureWith(
  alarms: Alarms,
  program = fileURLToPath(new URL('measuring.js', import.meta.url)),
  eachMs = partMs,
): Measure {
  return async (folder, signal) => {
    const child = spawn(process.execPath, [program, folder, String(eachMs)], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {},
    });
    const end = () => void child.kill('SIGKILL');
    const cancel = alarms.after(limitMs, end);
    signal.addEventListener('abort', end);
    const measured: Record<string, number> = {};
    createInterface({ input: child.stdout }).on('line', (line) => Object.assign(measured, partsIn(line)));
    try {
      await new Promise<void>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', () => resolve());
      });
    } finally {
      cancel();
      signal.removeEventListener('abort', end);
    }
    return measured;
  };
}

/** A line that a killed process left half is none. */
function partsIn(line: string): Measured {
  try {
    const said = JSON.parse(line) as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      calibrationParts.flatMap((part) => (isRate(said[part]) ? [[part, said[part]]] : [])),
    );
  } catch {
    return {};
  }
}

function isRate(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}
