/** Services: real daemons, real containers, pages fetched at the addresses that are shown. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client, Outcome, TaskSpec } from '@gryphgen/client';
import {
  type Changed,
  formatTaskId,
  type RefusalId,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Running } from './cli-grid.fixture.ts';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { containerOf } from './exec.fixture.ts';
import { docker, image } from './executor-container-place.ts';

let grid: DaemonsFixture;
let broker: Daemon;
let worker: Daemon;
let client: Client;

beforeAll(async () => {
  grid = new DaemonsFixture();
  grid.prepare();
  const strict = grid.enrolWorker('strict');
  writeFileSync(join(strict, 'policy.yaml'), 'ports: none\n');
  broker = grid.daemon(['broker']);
  worker = grid.daemon(['worker', '--name', 'forge']);
  grid.daemon(['worker', '--name', 'strict'], strict);
  client = await grid.client();
  const isReady = async () => (await client.request('nodes', {})).every(({ state }) => state === 'ready');
  while ((await client.request('nodes', {})).length < 2 || !(await isReady()));
});

afterAll(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

type Body = Extract<TaskSpec, { readonly kind: 'container' }>['body'];
const folder = 'mkdir /tmp/w; echo well > /tmp/w/ok; echo "page of $GRID_ATTEMPT" > /tmp/w/index.html';
const pages = {
  image,
  network: 'bridge',
  command: ['sh', '-c', `${folder}; exec httpd -f -p 8080 -h /tmp/w`],
};
const eager = { intervalMs: 1000, timeoutMs: 10_000, retries: 2, startPeriodMs: 3000 };

/** A service on `forge`, and what its watchers are told of it. */
class Service {
  readonly id: TaskId;
  readonly ended: Promise<Outcome>;
  private readonly changes: Changed[] = [];
  private wake: () => void = () => undefined;

  private constructor(id: TaskId) {
    this.id = id;
    this.ended = client.watch(id, {
      onChange: (change) => {
        this.changes.push(change);
        this.wake();
      },
    });
  }

  static async submit(body: Partial<Body>, over: Partial<TaskSpec> = {}): Promise<Service> {
    const spec: TaskSpec = {
      kind: 'container',
      restart: 'on-failure',
      // While it waits for its next try it is looked at.
      retries: { limit: 0, backoffMs: 10_000 },
      resources: { cpuMilli: 100, memoryBytes: 0, diskBytes: 0 },
      constraints: { worker: 'forge', labels: {} },
      stopGraceMs: 1000,
      ...(over as object),
      body: { ...pages, ...body } as Body,
    };
    const submitted = client.submit(spec);
    submitted.finished.catch(() => undefined);
    return new Service(await submitted.accepted);
  }

  /** The next that is so, of those that were not looked at yet. */
  async next(isSo: (change: Changed) => boolean): Promise<Changed> {
    for (;;) {
      for (let change = this.changes.shift(); change !== undefined; change = this.changes.shift())
        if (isSo(change)) return change;
      const ended = await Promise.race([
        this.ended,
        new Promise<void>((resolve) => {
          this.wake = resolve;
        }),
      ]);
      if (ended !== undefined) throw new Error(`it ended: ${JSON.stringify(ended)}`);
    }
  }

  /** Of attempt `no`, as soon as it is there. */
  async address(no: number): Promise<string> {
    const { addresses = [] } = await this.next(
      ({ attempt, addresses: told }) => attempt === no && told !== undefined,
    );
    return addresses[0]?.address ?? '';
  }

  healthy(no: number): Promise<Changed> {
    return this.next(({ attempt, health }) => attempt === no && health?.state === 'healthy');
  }

  show(): Promise<TaskDocument> {
    return client.request('show', { task: this.id });
  }

  container(): ReturnType<typeof containerOf> {
    return containerOf(grid.home, formatTaskId(this.id));
  }

  /** In its container. */
  async run(...command: string[]): Promise<void> {
    await promisify(execFile)('docker', ['exec', (await this.container()).id, ...command]);
  }

  async cancel(): Promise<Outcome> {
    await client.request('cancel', { task: this.id });
    return await this.ended;
  }
}

const page = async (address: string): Promise<string> => (await fetch(`http://${address}/`)).text();

const web = { ports: [{ name: 'web', port: 8080 }] };

it('is reached where it is said to be, and keeps address and container over restarts of worker and broker', async () => {
  const service = await Service.submit({ ...web, health: { http: { port: 8080, path: '/ok' }, ...eager } });
  const address = await service.address(1);
  expect(address).toMatch(/^127\.0\.0\.1:[0-9]+$/);
  await service.healthy(1);
  expect(await page(address)).toBe('page of 1\n');
  expect(await service.show()).toMatchObject({
    state: 'running',
    addresses: [{ name: 'web', port: 8080, protocol: 'tcp', address }],
    health: { state: 'healthy', words: '' },
  });
  const { id } = await service.container();

  await worker.kill();
  await broker.kill();
  broker.start();
  worker.start();
  // The broker forgot, and the worker's new life found it all again.
  expect(await service.address(1)).toBe(address);
  await service.healthy(1);
  expect(await page(address)).toBe('page of 1\n');
  expect((await service.container()).id).toBe(id);
  expect(await service.cancel()).toMatchObject({ state: 'cancelled', attempts: 1 });
  await expect(page(address)).rejects.toThrow();
});

it.concurrent('that is killed is begun again, with words in show and explain', async () => {
  const service = await Service.submit(web);
  await service.address(1);
  await service.run('killall', '-9', 'httpd');
  await service.next(({ state }) => state === 'waiting');
  const words = 'the command exited with code 137';
  expect(await service.show()).toMatchObject({ failure: { code: 'execution.exit', message: words } });
  expect(await service.show()).not.toHaveProperty('addresses');
  const { decision } = await client.request('explain', { task: service.id });
  expect(decision).toMatch(new RegExp(`^waits [0-9.]+ s before its next try: ${words}$`));
  const address = await service.address(2);
  while ((await page(address).catch(() => '')) !== 'page of 2\n');
  expect(await service.cancel()).toMatchObject({ state: 'cancelled', attempts: 2 });
});

it.concurrent.each<[string, NonNullable<Body['health']>, string]>([
  ['by a page', { http: { port: 8080, path: '/ok' }, ...eager }, '/ok answered 404'],
  ['by a command', { command: ['cat', '/tmp/w/ok'], ...eager }, 'its check exited with code 1: cat: '],
])('that is unhealthy, %s, is ended and begun again', async (_, health, words) => {
  const service = await Service.submit({ ...web, health });
  await service.healthy(1);
  await service.run('rm', '/tmp/w/ok');
  await service.next(({ health: told }) => told?.state === 'unhealthy');
  await service.next(({ state }) => state === 'waiting');
  const { failure } = await service.show();
  expect(failure?.code).toBe('execution.unhealthy');
  expect(failure?.message).toContain(`ended because it was unhealthy: ${words}`);
  await service.healthy(2);
  expect(await service.cancel()).toMatchObject({ state: 'cancelled' });
});

it.concurrent('has the host port that it asks for, until it is cancelled; where it is taken, the task fails in words', async ({
  // Of several that run at a time only its own one knows whose poll it is.
  expect,
}) => {
  const host = await freePort();
  const ports = [{ port: 8080, host }];
  const service = await Service.submit({ ports });
  expect(await service.address(1)).toBe(`127.0.0.1:${host}`);
  const { id } = await service.container();
  const second = await Service.submit({ ports }, { restart: undefined });
  expect(await second.ended).toMatchObject({
    state: 'failed',
    failure: { code: 'execution.start', message: `port ${host} of this machine is taken` },
  });
  await service.cancel();
  const third = await Service.submit({ ports });
  expect(await third.address(1)).toBe(`127.0.0.1:${host}`);
  await third.cancel();
  // It is removed when the broker has its result.
  const isThere = () =>
    docker
      .getContainer(id)
      .inspect()
      .then(() => 'it is there', String);
  await expect.poll(isThere, { timeout: 30_000 }).toContain('no such container');
});

it.concurrent('is refused where the owner lets none be published, or none for all', async () => {
  const reasons = async (over: Partial<TaskSpec>, bind: 'loopback' | 'all') => {
    const error = await Service.submit({ ports: [{ port: 8080, bind }] }, over).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'rejected.impossible' });
    const refusal = /r[0-9]+\.[0-9]+/.exec((error as Error).message)?.[0] as RefusalId;
    const { workers } = await client.request('explain', { refusal });
    return new Map(workers.map(({ name, reasons: why }) => [name, why]));
  };
  const anywhere = { constraints: { labels: { no: 'such' } } };
  expect((await reasons(anywhere, 'loopback')).get('strict')).toContain('lets no task publish ports');
  expect((await reasons({}, 'all')).get('forge')).toEqual(['lets tasks publish ports on loopback alone']);
});

it.concurrent('tells its address on stderr to who waits for it', async () => {
  const ports = ['--network', 'bridge', '--publish', 'web=8080', '--restart', 'on-failure'];
  const args = ['submit', '--wait', '--image', image, ...ports, '--', ...pages.command];
  const waiting = run(...args);
  const said = /^(t[0-9]+) is reached at web (127\.0\.0\.1:[0-9]+)$/m;
  while (!said.test(waiting.stderr)) await once(waiting.child.stderr, 'data');
  const [, id = '', address = ''] = said.exec(waiting.stderr) ?? [];
  while (!(await page(address).catch(() => '')).startsWith('page of 1'));
  for (const shown of [run('ps'), run('show', id)])
    expect((await shown.end()).stdout).toContain(`web ${address}`);
  await run('cancel', id).end();
  expect((await waiting.end()).code).toBe(4);
});

/** `grid` as a user of this machine runs it. */
function run(...args: readonly string[]): Running {
  return new Running(args, grid.env, grid.home);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
