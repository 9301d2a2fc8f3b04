/** Attempts whose output does not fit the disk of their worker: they run to their end, and their log says what it lacks. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeBody } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { type Executor, endProcesses, LogStore } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createProcessExecutor } from '../conformance/executor-process-place.ts';
import { newFence, orderOf, type Place, Recorder, textOf } from '../conformance/executor-suite.ts';
import { createContainerExecutor, image } from './executor-container-place.ts';
import { fillDisk } from './full-disk.fixture.ts';

const run = promisify(execFile);
const diskBytes = 1024 * 1024;
const log = createLog({ daemon: 'test', level: 'silent' });
const lost = /\n\[gryphgen: the rest of the log is lost: ENOSPC: no space left on device, \w+\]\n$/;

let place: Place;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gg-full-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder]);
  const logs = await LogStore.open(
    join(folder, 'logs'),
    { attemptBytes: 2 ** 30, totalBytes: 2 ** 30 },
    { clock: systemClock, alarms: systemAlarms, log },
  );
  place = { events: new Recorder(), logs, folder };
});

afterEach(async () => {
  await endProcesses(place.folder);
  await run('umount', [place.folder]);
  await rm(place.folder, { recursive: true });
});

const kinds = [
  ['process', createProcessExecutor, {}],
  ['container', createContainerExecutor, { image }],
] as const;

for (const [kind, create, fields] of kinds) {
  async function ends(executor: Executor, line: string) {
    const fence = newFence();
    executor.start(orderOf(kind, fence, encodeBody({ ...fields, command: ['sh', '-c', line] })));
    const { exit } = await place.events.find('exited', fence);
    return { fence, exit };
  }

  it(`a ${kind} that writes more than there is room for ends by itself, and its log says that it is cut`, async () => {
    const executor = create(place);
    await executor.probe();
    await executor.adopt();
    const { fence, exit } = await ends(executor, 'yes 0123456789 | head -c 5000000; exit 3');
    expect(exit).toMatchObject({ exitCode: 3, failure: null });
    const text = await textOf(place.logs, fence);
    // The end alone: so a failure shows what is there instead.
    expect(text.slice(-200)).toMatch(lost);
    expect(text.length).toBeGreaterThan(diskBytes / 2);
    const reading = { ...fence, follow: true, signal: new AbortController().signal };
    let rest = '';
    for await (const bytes of place.logs.read({ ...reading, from: text.length - 3 })) rest += String(bytes);
    expect(rest).toBe(text.slice(-3));
    executor.forget(fence);
    await executor.close();
  });

  it(`a ${kind} on a disk that is full already runs all the same, or says why not`, async () => {
    const executor = create(place);
    await executor.probe();
    await executor.adopt();
    const before = await ends(executor, 'exit 0');
    await fillDisk(place.folder);
    const { fence, exit } = await ends(executor, 'echo hello; exit 4');
    expect(exit).toMatchObject({ exitCode: 4, failure: null });
    expect(await textOf(place.logs, fence)).toMatch(lost);
    executor.forget(before.fence);
    executor.forget(fence);
    await executor.close();
  });
}
