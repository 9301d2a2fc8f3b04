/** A worker under pressure says so, and says when it has ended: over a real socket, on a machine that is played. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerReport } from '@gryphgen/protocol';
import { type Alarms, type Clock, type Service, systemAlarms, systemClock } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectEngine } from './executors/engine-connection.ts';
import { PlayedBroker } from './worker.fixture.ts';

/** What the worker waits for, and how long it does here: looks come at once, and what hangs is given up soon. */
const waits = new Map([
  [5000, 10],
  [30_000, 50],
  [10_000, 3000],
  // Each a tenth of what a question waits for: 1 s of an engine, 3 s of the machine.
  [400, 100],
  [1000, 300],
]);
const hasty: Alarms = { after: (ms, run) => systemAlarms.after(waits.get(ms) ?? ms, run) };
const recording = fileURLToPath(
  new URL('../../../test/fixtures/nvidia-smi/rtx-3060-v12.xml', import.meta.url),
);

/** Runs so many times as fast as time does, so that what must last some seconds lasts less; its wall clock may jump. */
class PlayedClock implements Clock {
  private readonly rate: number;
  private jumpedMs = systemClock.wall();

  constructor(rate: number) {
    this.rate = rate;
  }

  mono(): number {
    return systemClock.mono() * this.rate;
  }

  wall(): number {
    return this.mono() + this.jumpedMs;
  }

  jump(ms: number): void {
    this.jumpedMs += ms;
  }
}

/** Answers what a worker asks of it, or takes the question and says nothing. */
class PlayedEngine {
  silent = false;
  private readonly server: Server = createServer(({ url = '' }, response) => {
    if (this.silent) return;
    if (url.includes('/images/json')) response.end(JSON.stringify([{ RepoTags: ['image:1'] }]));
    else if (url.includes('/containers/json')) response.end('[]');
    else response.end(JSON.stringify({ NCPU: 4, Version: '28.2.2', Components: [] }));
  });

  async listen(socketPath: string): Promise<Docker> {
    await new Promise<void>((resolve) => this.server.listen(socketPath, resolve));
    return connectEngine({ socketPath });
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

let broker: PlayedBroker;
let worker: Service;

beforeEach(async () => {
  broker = await PlayedBroker.start();
});

afterEach(async () => {
  await worker.stop();
  await broker.stop();
});

async function reportWith(isSo: (report: WorkerReport) => boolean): Promise<WorkerReport> {
  const { report } = await broker.next('report', ({ report }) => isSo(report));
  return report;
}

const presses = (name: string) => (report: WorkerReport) =>
  report.pressures?.some((pressure) => pressure.name === name) ?? false;

it('an engine that stops answering is stuck, not gone, until it has answered for a while', async () => {
  const engine = new PlayedEngine();
  const docker = await engine.listen(join(broker.home, 'engine.sock'));
  worker = broker.newWorker({ alarms: hasty, clock: new PlayedClock(20), docker });
  await worker.start();
  expect((await broker.welcome({ credit: 100_000 })).peer).toMatchObject({
    report: { capabilities: ['container', 'process', 'noop'], images: ['image:1'], pressures: [] },
  });
  engine.silent = true;
  const stuck = await reportWith(presses('stuck engine'));
  expect(stuck.capabilities).toEqual(['container', 'process', 'noop']);
  expect(stuck.images).toEqual(['image:1']);
  expect(stuck.pressures).toMatchObject([{ stops: ['container'] }]);
  // What does not need it goes on.
  broker.lease(1, 'process', { command: ['true'] }, { onLinkLost: 'wait' });
  expect(await broker.next('result')).toMatchObject({ exitCode: 0, failure: null });
  broker.heard = [];
  engine.silent = false;
  await reportWith((report) => !presses('stuck engine')(report));
  engine.close();
});

it('a card that gets hot is told so, and when it is cool again', async () => {
  const [program, answer] = [join(broker.home, 'nvidia-smi'), join(broker.home, 'smi.xml')];
  const xml = await readFile(recording, 'utf8');
  const heat = (celsius: number) =>
    writeFile(answer, xml.replace('<gpu_temp>42 C', `<gpu_temp>${celsius} C`));
  await writeFile(program, `#!/bin/sh\ncat ${answer}\n`);
  await chmod(program, 0o700);
  await heat(60);
  worker = broker.newWorker({ alarms: hasty, clock: new PlayedClock(100), nvidiaSmi: program });
  await worker.start();
  await broker.welcome({ credit: 100_000 });
  await heat(92);
  const hot = await reportWith(({ devices }) => devices[0]?.pressure !== undefined);
  expect(hot.devices).toMatchObject([{ temperatureC: 92, maxTemperatureC: 93, pressure: { name: 'hot' } }]);
  expect(hot.pressures).toEqual([]);
  broker.heard = [];
  await heat(60);
  await reportWith(({ devices }) => devices[0]?.pressure === undefined);
});

it('a wall clock that jumps is told, and ends nothing', async () => {
  const clock = new PlayedClock(1);
  worker = broker.newWorker({ alarms: hasty, clock });
  await worker.start();
  await broker.welcome({ credit: 100_000 });
  const go = join(broker.home, 'go');
  const command = ['sh', '-c', `until [ -e ${go} ]; do sleep 0.02; done`];
  broker.lease(1, 'process', { command }, { timeoutMs: 60_000 });
  await broker.next('started');
  const day = 86_400_000;
  clock.jump(day);
  const { pressures } = await reportWith(presses('clock jump'));
  expect(pressures).toMatchObject([{ words: expect.stringContaining('forward by 24 h'), stops: [] }]);
  clock.jump(-2 * day);
  await reportWith(({ pressures }) => pressures?.[0]?.words.includes('back by 48 h') ?? false);
  broker.heard = broker.heard.filter(({ kind }) => kind === 'result');
  const seen = await broker.next('heartbeat');
  expect(seen.attempts.map(([task, attempt]) => [task, attempt])).toEqual([[1, 1]]);
  expect(broker.heard.filter(({ kind }) => kind === 'result')).toEqual([]);
  await writeFile(go, '');
  expect(await broker.next('result')).toMatchObject({ exitCode: 0, failure: null });
});
