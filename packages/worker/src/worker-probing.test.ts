/** A machine that cannot be looked at now and then: the last report stands, and the next look counts. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeviceUuid, Message, WorkerReport } from '@gryphgen/protocol';
import { type Alarms, createLog, type Service, systemAlarms } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { connectEngine } from './executors/engine-connection.ts';
import { PlayedBroker } from './worker.fixture.ts';

/** Looks come at once, and what hangs is given up soon. */
const hastened: Readonly<Record<number, number>> = { 30000: 20, 5000: 20, 10000: 3000, 1000: 300 };
const hasty: Alarms = { after: (ms, run) => systemAlarms.after(hastened[ms] ?? ms, run) };
const card = fileURLToPath(new URL('../../../test/fixtures/nvidia-smi/rtx-3060-v12.xml', import.meta.url));

let broker: PlayedBroker;
let worker: Service;
let warnings: string[];
const log = { ...createLog({ daemon: 'worker', level: 'silent' }) };

beforeEach(async () => {
  broker = await PlayedBroker.start();
  warnings = [];
  log.warn = (_fields: object, text?: string) => void warnings.push(text ?? '');
});

afterEach(async () => {
  await worker.stop();
  await broker.stop();
});

async function nvidiaSmi(): Promise<string> {
  const program = join(broker.home, 'nvidia-smi');
  await writeFile(program, `#!/bin/sh\ncat ${broker.home}/smi.xml\n`);
  await chmod(program, 0o700);
  return program;
}

/** The first that is so: reports are repeated, and other things of the machine may change. */
async function reportWith(isSo: (report: WorkerReport) => boolean): Promise<WorkerReport> {
  for (;;) {
    const { report } = await broker.next('report');
    if (isSo(report)) return report;
  }
}

const says = (troubles: readonly string[] | undefined, words: string) =>
  troubles?.some((trouble) => trouble.includes(words)) ?? false;

it('keeps its cards while nvidia-smi talks nonsense, and says so', async () => {
  const recording = await readFile(card, 'utf8');
  const smi = join(broker.home, 'smi.xml');
  await writeFile(smi, recording);
  worker = broker.newWorker({ alarms: hasty, log, nvidiaSmi: await nvidiaSmi() });
  await worker.start();
  await broker.welcome({ credit: 100_000 });
  await writeFile(smi, recording.slice(0, 2000));
  const cut = await reportWith(({ troubles }) => says(troubles, 'what nvidia-smi prints ends early'));
  expect(cut.devices).toHaveLength(1);
  expect(warnings).toContain('a part of this machine cannot be probed');
  await writeFile(smi, recording.replace(/GPU-[0-9a-f-]+/g, 'GPU-another'));
  const next = await reportWith(({ troubles }) => says(troubles, 'fell off'));
  expect(next.devices).toMatchObject([{ uuid: 'GPU-another' }]);
});

it('looks again after an engine that took a question and never answered it', async () => {
  const socketPath = join(broker.home, 'engine.sock');
  const engine = new StallingEngine();
  await new Promise<void>((resolve) => engine.server.listen(socketPath, resolve));
  worker = broker.newWorker({ alarms: hasty, log, docker: connectEngine({ socketPath }) });
  await worker.start();
  const hello = await broker.welcome({ credit: 100_000 });
  expect(hello.peer).toMatchObject({ report: { images: ['image:1', 'digest/image:1'] } });
  engine.images = 'stalled';
  await engine.asked();
  const stalled = await reportWith(({ troubles }) =>
    says(troubles, 'the engine, asked for its images, did not'),
  );
  expect(stalled.images).toEqual(['image:1', 'digest/image:1']);
  engine.images = ['image:1', 'image:2'];
  const { images } = await reportWith(({ troubles }) => troubles?.length === 0);
  expect(images).toEqual(['image:1', 'image:2', 'digest/image:1', 'digest/image:2']);
  await worker.stop();
  engine.server.closeAllConnections();
  engine.server.close();
});

const seen = async () => true;
const unseen = async () => false;

/** A process that was given 2 GiB of a card, and 3172 MiB that the card tells it and this process to hold. */
async function overusedCard(seesTheHost: () => Promise<boolean>): Promise<string | undefined> {
  const recording = await readFile(card, 'utf8');
  const smi = join(broker.home, 'smi.xml');
  await writeFile(smi, recording);
  worker = broker.newWorker({ alarms: hasty, log, nvidiaSmi: await nvidiaSmi(), seesTheHost });
  await worker.start();
  const { peer } = await broker.welcome({ credit: 100_000 });
  const uuid = peer.kind === 'worker' ? peer.report.devices[0]?.uuid : undefined;
  const pidFile = join(broker.home, 'pid');
  const command = ['sh', '-c', `echo $$ >${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 600`];
  const devices = [{ uuid: uuid as DeviceUuid, vramBytes: 2 ** 31, whole: false }];
  broker.lease(1, 'process', { command }, { devices });
  const pid = await vi.waitFor(() => readFile(pidFile, 'utf8'), { timeout: 20_000 });
  const use = (of: number, mib: number) =>
    `<process_info><pid>${of}</pid><process_name>x</process_name><used_memory>${mib} MiB</used_memory></process_info>`;
  const processes = `<processes>${use(Number(pid), 3072)}${use(process.pid, 100)}`;
  const told = recording
    .replace('<free>11806', `<free>${11_806 - 3172}`)
    .replace('<gpu_temp>42 C', '<gpu_temp>61 C')
    .replace('<processes>', processes);
  await writeFile(smi, told);
  return uuid;
}

async function cancelled(): Promise<void> {
  broker.say({ kind: 'stop', task: 1, attempt: 1, epoch: 3, leaseSeq: 1, reason: 'cancel' } as Message);
  expect(await broker.next('result')).toMatchObject({ failure: { code: 'cancelled.user' } });
}

it('tells whose memory it is on a card, and what is beyond a reservation', async () => {
  const uuid = await overusedCard(seen);
  const words = `t1.1 holds 3 GiB of NVIDIA GeForce RTX 3060 (${uuid}), 2 GiB reserved for it`;
  const { devices } = await reportWith(({ troubles }) => says(troubles, words));
  expect(warnings).toContain('an attempt holds more than was reserved for it');
  expect(devices).toMatchObject([
    { foreignBytes: (482 + 100 + 1024) * 2 ** 20, foreign: [{ pid: process.pid, vramBytes: 100 * 2 ** 20 }] },
  ]);
  await cancelled();
});

it('blames nobody for what a card tells by process numbers that are not those here', async () => {
  await overusedCard(unseen);
  const { devices, troubles } = await reportWith(({ devices }) => devices[0]?.temperatureC === 61);
  expect(troubles).toEqual([
    expect.stringMatching(/^it cannot be told whose memory it is on NVIDIA GeForce/),
  ]);
  // What was foreign before it was held is still taken for that.
  expect(devices).toMatchObject([{ foreignBytes: 482 * 2 ** 20 }]);
  expect(devices[0]).not.toHaveProperty('foreign');
  await cancelled();
});

class StallingEngine {
  images: readonly string[] | 'stalled' = ['image:1'];
  private onStalled: () => void = () => undefined;
  readonly server: Server = createServer(({ url = '' }, response) => {
    if (url.includes('/images/json')) this.listImages(response);
    else if (url.includes('/containers/json')) response.end('[]');
    else response.end(JSON.stringify({ NCPU: 4, Version: '28.2.2', Components: [] }));
  });

  /** Resolves when a question is stalled. */
  asked(): Promise<void> {
    return new Promise((resolve) => {
      this.onStalled = resolve;
    });
  }

  private listImages(response: ServerResponse): void {
    if (this.images === 'stalled') this.onStalled();
    else {
      const listed = this.images.map((name) => ({ RepoTags: [name], RepoDigests: [`digest/${name}`] }));
      response.end(JSON.stringify([...listed, { RepoTags: ['<none>:<none>'], RepoDigests: null }]));
    }
  }
}
