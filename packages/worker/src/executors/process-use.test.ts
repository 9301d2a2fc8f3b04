/** Real processes: their groups, looked at by the clock, and what the kernel says of them at their end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Reading } from '../core/events.ts';
import { ProcessUse } from './process-use.ts';

const MiB = 1024 ** 2;

/** Ends when its input does. */
function start(script: string) {
  return spawn(process.execPath, ['-e', script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
}

const untilInputEnds = "process.stdin.on('end', () => process.exit(0)).resume()";

it('of a group that is looked at, its memory at most and its exact time', async () => {
  const use = new ProcessUse();
  const child = start(
    `globalThis.kept = Buffer.alloc(${64 * MiB}, 1); for (const end = Date.now() + 60; Date.now() < end;); console.log(1); ${untilInputEnds}`,
  );
  await once(child.stdout, 'data');
  const { memoryBytes } = await new Promise<Reading>((tell) => use.begin(child.pid as number, tell));
  expect(memoryBytes).toBeGreaterThan(64 * MiB);
  const ended = once(child, 'exit').then(() => use.end(child.pid as number));
  child.stdin.end();
  const { cpuMs, peakMemoryBytes } = await ended;
  expect(peakMemoryBytes).toBeGreaterThan(64 * MiB);
  expect(peakMemoryBytes).toBeLessThan(512 * MiB);
  expect(cpuMs).toBeGreaterThan(0);
});

it('of one that was over before a look, its time alone', async () => {
  const use = new ProcessUse();
  const before = ownChildrenTicks();
  const child = start('for (let left = 1e7; left > 0; left -= 1);');
  // As one that is not due yet.
  const ended = once(child, 'exit').then(() => use.end(child.pid as number));
  expect(await ended).toEqual({ cpuMs: (ownChildrenTicks() - before) * 10 });
});

it('of several that end together, what was seen alone', async () => {
  const use = new ProcessUse();
  expect(await Promise.all([use.end(1), use.end(2)])).toEqual([{}, {}]);
});

function ownChildrenTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[13]) + Number(fields[14]);
}
