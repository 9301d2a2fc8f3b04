/**
 * Whether this machine's clock can be believed: what may be read of a task's output is granted until a time of day, so
 * machines whose clocks are minutes apart refuse each other.
 */
import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { formatDuration } from '@gryphgen/protocol';
import type { Check } from './check.ts';

const answerMs = 2000;
/** Files written by another machine, or a clock that is being corrected. */
const toleranceMs = 60_000;

/** `synchronized`: what systemd says of it; undefined where there is none to ask. */
export function checkClock(home: string, nowMs: number, synchronized: boolean | undefined): Check {
  const newestMs = Math.max(0, ...timesIn(home));
  const fix = 'sudo timedatectl set-ntp true, or see to the time server of your network';
  if (newestMs > nowMs + toleranceMs) {
    const found = `the clock is at least ${formatDuration(newestMs - nowMs)} behind: ${home} was written to later`;
    return { name: 'clock', state: 'error', found, fix };
  }
  const time = new Date(nowMs).toISOString();
  if (synchronized === false)
    return { name: 'clock', state: 'warning', found: `${time}, not synchronised with others`, fix };
  return { name: 'clock', state: 'ok', found: synchronized === true ? `${time}, synchronised` : time };
}

/** What systemd knows of it. */
export function askSynchronized(): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: answerMs };
    execFile('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], options, (error, stdout) => {
      const answer = error === null ? stdout.trim() : '';
      resolve(answer === 'yes' ? true : answer === 'no' ? false : undefined);
    });
  });
}

function timesIn(home: string): readonly number[] {
  try {
    return readdirSync(home).map((name) => statSync(join(home, name)).mtimeMs);
  } catch {
    return []; // no home yet, or none that can be read: that is another check's
  }
}
