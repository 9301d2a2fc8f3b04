/** A machine that cannot be looked at now and then: the last report stands, and the next look counts. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerReport } from '@gryphgen/protocol';
import { type Alarms, createLog, type Service, systemAlarms } from '@gryphgen/runtime';
import Docker from 'dockerode';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PlayedBroker } from './worker.fixture.ts';

/** Looks come at once, and what hangs is given up soon. */
const hasty: Alarms = {
  after: (ms, run) => systemAlarms.after(ms === 30_000 ? 20 : ms === 10_000 ? 3000 : ms, run),
};
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
  await broker.welcome();
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
  worker = broker.newWorker({ alarms: hasty, log, docker: new Docker({ socketPath }) });
  await worker.start();
  const hello = await broker.welcome();
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
