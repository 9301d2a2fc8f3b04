/** What a real engine does only when it is in trouble, or when somebody else writes our labels: an engine that we play. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Alarms, createLog, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { noFiles } from '../artifacts/attempt-files.ts';
import { ImageStore } from '../images/image-store.ts';
import { defaultPolicy } from '../policy/container-policy.ts';
import { HostPolicy } from '../policy/host-policy.ts';
import { ContainerExecutor } from './container-executor.ts';
import { ContainerNotes } from './container-notes.ts';
import { connectEngine } from './engine-connection.ts';
import { defaultWarmLimits } from './warm-pool.ts';

const log = createLog({ daemon: 'test', level: 'silent' });
const lease = {
  kind: 'container',
  reservation: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [] as unknown[] },
  timeoutMs: 0,
  onLinkLost: 'move',
};
const ended = { Status: 'exited', ExitCode: 0, StartedAt: '', FinishedAt: '' };
/** What it waits at its end passes quickly. */
const hasty: Alarms = { after: (ms, run) => systemAlarms.after(ms === 8000 ? 100 : ms, run) };

let folder: string;
let server: Server;
let asked: string[];
let labels: Record<string, string>;
let onRemoval: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-engine-'));
  asked = [];
  labels = { 'gryphgen.task': '7', 'gryphgen.attempt': '1', 'gryphgen.epoch': '2' };
  labels['gryphgen.lease'] = JSON.stringify(lease);
  onRemoval = () => undefined;
  server = createServer(({ method, url = '' }, response) => {
    asked.push(`${method} ${url}`);
    if (method === 'DELETE') onRemoval();
    else if (url.startsWith('/containers/json')) response.end(JSON.stringify([{ Id: 'c', Labels: labels }]));
    else if (url.startsWith('/containers/c/json'))
      response.end(JSON.stringify({ State: ended, HostConfig: {}, Config: {}, Image: '' }));
    else if (url.startsWith('/containers/c/wait')) response.end(JSON.stringify({ StatusCode: 0 }));
    else if (url.startsWith('/containers/c/logs')) response.end();
    else response.end(JSON.stringify({ NCPU: 4, Components: [] }));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'engine.sock'), resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

function newExecutor(): ContainerExecutor {
  const docker = connectEngine({ socketPath: join(folder, 'engine.sock') });
  return new ContainerExecutor({
    docker,
    events: {
      started: () => undefined,
      used: () => undefined,
      served: () => undefined,
      exited: () => undefined,
      startFailed: () => undefined,
    },
    owner: { grid: 'g', worker: 'w' },
    clock: systemClock,
    alarms: hasty,
    log,
    files: noFiles,
    notes: new ContainerNotes(join(folder, 'containers'), { alarms: hasty, log }),
    images: new ImageStore({ docker, clock: systemClock, alarms: hasty, log, folder, settings: {} }),
    beginLog: () => ({ write: async () => true, end: async () => undefined }),
    retellLog: () => ({ write: async () => true, end: async () => undefined }),
    policy: new HostPolicy({ policy: defaultPolicy, home: folder, sockets: [], log }),
    logBytes: 1,
    random: systemRandom,
    warmLimits: defaultWarmLimits,
  });
}

async function adopt(executor: ContainerExecutor) {
  expect(await executor.probe()).toBe(true);
  const found = await executor.adopt();
  if ('notYet' in found) throw new Error(found.notYet);
  return found;
}

it('does not wait for ever, at its end, for an engine that never removes what it was told to', async () => {
  const executor = newExecutor();
  const [found] = await adopt(executor);
  if (found === undefined) throw new Error('nothing was adopted');
  expect(found.found).toMatchObject({ phase: 'ended', ranMs: 0 });
  const removal = new Promise<void>((resolve) => {
    onRemoval = resolve;
  });
  executor.forget(found.fence);
  await removal;
  await executor.close();
});

it.each([
  ['a number that is none of ours', { 'gryphgen.task': '9999999999999999' }],
  ['no task at all', { 'gryphgen.task': '0' }],
  [
    'more devices than there can be',
    {
      'gryphgen.lease': JSON.stringify({
        ...lease,
        reservation: {
          ...lease.reservation,
          devices: [{ uuid: 'x'.repeat(999), vramBytes: 1, whole: true }],
        },
      }),
    },
  ],
])('adopts nothing that no hello could tell: %s', async (_, wrong) => {
  Object.assign(labels, wrong);
  const executor = newExecutor();
  let removed = false;
  onRemoval = () => {
    removed = true;
    server.closeAllConnections();
  };
  expect(await adopt(executor)).toEqual([]);
  expect(removed).toBe(true);
  await executor.close();
});
