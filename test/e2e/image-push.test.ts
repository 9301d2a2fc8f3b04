/** Images brought to workers without a registry: real daemons, the spawned CLI, the real engine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Client, orderOf, pushImage, readImageArchive } from '@gryphgen/client';
import { GridError } from '@gryphgen/protocol';
import { connectEngine } from '@gryphgen/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, gridCommand, Running } from './cli-grid.fixture.ts';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { writeArchive, writeHollowArchive } from './image-archive.fixture.ts';
import { freshImage, hasImage, imageIds } from './images-place.ts';

const docker = connectEngine();
const mib = 1024 * 1024;

let grid: DaemonsFixture;
let forge: Daemon;
let client: Client;
let folder: string;
let before: readonly string[];

beforeAll(async () => {
  before = await imageIds();
  folder = mkdtempSync(join(tmpdir(), 'gg-push-'));
  grid = new DaemonsFixture();
  grid.prepare();
  const guarded = grid.enrolWorker('guarded');
  writeFileSync(join(guarded, 'policy.yaml'), 'images: [push-test/safe]\n');
  const closed = grid.enrolWorker('closed');
  writeFileSync(join(closed, 'policy.yaml'), 'push: no\n');
  grid.daemon(['broker']);
  forge = grid.daemon(['worker', '--name', 'forge']);
  grid.daemon(['worker', '--name', 'guarded', '--data-endpoint', 'none'], guarded);
  grid.daemon(['worker', '--name', 'closed'], closed);
  client = await grid.client();
  await allReady();
});

afterAll(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
  for (const { RepoTags } of await docker.listImages())
    for (const tag of RepoTags ?? []) if (tag.startsWith('push-test/')) await docker.getImage(tag).remove();
  rmSync(folder, { recursive: true });
  expect(await imageIds()).toEqual(before);
});

async function allReady(): Promise<void> {
  const ready = async () =>
    (await client.request('nodes', {})).filter(({ state }) => state === 'ready').length;
  while ((await ready()) < 3);
  const relayed = async () => (await client.request('status', {})).door['artifacts relayWorkers'] ?? 0;
  while ((await relayed()) < 3);
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const running = new Running(args, { ...grid.env, GRID_BROKER: grid.endpoint, ...env }, folder);
  running.child.stdin.end();
  return running;
}

const run = (...args: string[]): Promise<Ended> => start(args).end();

function archive(name: string): string {
  return writeArchive(join(folder, 'image.tar'), freshImage(), name);
}

async function imagesOf(name: string): Promise<readonly string[]> {
  const nodes = await client.request('nodes', {});
  return nodes.find((node) => node.name === name)?.report?.images ?? [];
}

describe('grid image push', () => {
  it('brings an image to a worker, and a task runs it there; the second time there is nothing to send', async () => {
    const file = archive('push-test/app:1');
    const pushed = await run('image', 'push', '--file', file, '--to', 'forge', '--json');
    expect(JSON.parse(pushed.stdout)).toMatchObject({
      image: { id: expect.stringMatching(/^sha256:/), names: ['push-test/app:1'] },
      workers: [{ name: 'forge', result: 'taken' }],
    });
    expect(pushed.stderr).toMatch(/^forge {2}has it: .* in /);
    expect(await imagesOf('forge')).toContain('push-test/app:1');
    const task = ['--image', 'push-test/app:1', '--pull', 'never', '--worker', 'forge', '--wait'];
    const ran = await run('submit', ...task, '--', 'echo', 'it runs');
    expect(ran.stdout).toBe('it runs\n');
    const [document] = JSON.parse((await run('ps', '-a', '--json')).stdout) as { image: unknown }[];
    const { Id: id } = await docker.getImage('push-test/app:1').inspect();
    expect(document?.image).toEqual({ name: 'push-test/app:1', id });
    const again = await run('image', 'push', '--file', file, '--to', 'forge');
    expect(again).toEqual({ code: 0, stdout: '', stderr: 'forge  has had it already\n' });
  });

  it('asks every worker that takes images, and says what each makes of it', async () => {
    const { code, stderr, stdout } = await run(
      'image',
      'push',
      '--file',
      archive('push-test/all:1'),
      '--json',
    );
    expect(stderr).toContain('closed takes no pushed images: passed over\n');
    const { workers } = JSON.parse(stdout) as { workers: { name: string; result: string }[] };
    expect(workers.map(({ name, result }) => `${name} ${result}`).sort()).toEqual([
      'forge taken',
      'guarded failed',
    ]);
    expect(stderr).toContain('the policy of this worker does not allow image push-test/all:1');
    expect(code).toBe(7);
    const closed = await run('image', 'push', '--file', archive('push-test/all:1'), '--to', 'closed');
    expect(closed.stderr).toContain('closed takes no pushed images: its policy says so');
    expect(closed.code).toBe(3);
  });

  it('brings one through the relay to a worker that has no port', async () => {
    const pushed = await run(
      'image',
      'push',
      '--file',
      archive('push-test/safe:1'),
      '--to',
      'guarded',
      '--json',
    );
    expect(JSON.parse(pushed.stdout)).toMatchObject({ workers: [{ name: 'guarded', result: 'taken' }] });
    expect(await imagesOf('guarded')).toContain('push-test/safe:1');
    const shown = JSON.parse((await run('node', 'show', 'guarded', '--json')).stdout) as { data: unknown };
    expect(shown.data).toMatchObject({ straight: false, words: expect.stringContaining('by the relay') });
  });

  it('takes what the engine of this machine saves', async () => {
    const file = archive('push-test/engine:1');
    await docker.loadImage(file).then(drain);
    const saved = await collect(await docker.getImage('push-test/engine:1').get());
    const facts = await docker.getImage('push-test/engine:1').inspect();
    await docker.getImage('push-test/engine:1').remove();
    // The engine of another machine, as far as this needs one.
    const engine = createServer(({ url = '' }, answer) => {
      if (url.endsWith('/get')) answer.end(saved);
      else if (url.includes('engine')) answer.end(JSON.stringify(facts));
      else answer.writeHead(404).end(JSON.stringify({ message: 'no such image' }));
    });
    const socket = join(folder, 'engine.sock');
    engine.listen(socket);
    await once(engine, 'listening');
    const env = { DOCKER_HOST: `unix://${socket}` };
    const pushed = await start(['image', 'push', 'push-test/engine:1', '--to', 'forge'], env).end();
    const none = await start(['image', 'push', 'absent', '--to', 'forge'], env).end();
    engine.close();
    expect(pushed.stderr).toMatch(/^forge {2}has it/);
    expect((await docker.getImage('push-test/engine:1').inspect()).Id).toBe(facts.Id);
    expect(none.stderr).toContain('the Docker engine of this machine has no image absent');
    expect(none.code).toBe(3);
  });

  it('reads a pipe to its end, and what is none is told', async () => {
    const { code, stderr } = await run('image', 'push', '--file', '-', '--to', 'forge');
    expect(stderr).toContain('this is no archive of images: it has no manifest.json');
    expect(code).toBe(2);
  });

  it('is ended by a Ctrl-C, and leaves no file', async () => {
    const env = { ...grid.env, TMPDIR: folder };
    const pushing = spawn(process.execPath, [gridCommand, 'image', 'push', '--file', '-'], { env });
    pushing.stdin.write(Buffer.alloc(64 * 1024));
    while (!filesOf(pushing.pid).some((path) => path.includes('grid-image-'))) await setImmediate();
    pushing.kill('SIGINT');
    expect(await once(pushing, 'exit')).toEqual([130, null]);
    expect(readdirSync(folder).filter((name) => name.startsWith('grid-image-'))).toEqual([]);
  });

  it('moves no name from an image that did not come by a push of the same principal', async () => {
    const owners = await docker.getImage('gryphgen-test:latest').inspect();
    const { code, stderr } = await run(
      'image',
      'push',
      '--file',
      archive('gryphgen-test:latest'),
      '--to',
      'forge',
    );
    expect(stderr).toContain('gryphgen-test:latest is another image on this worker');
    expect(code).toBe(7);
    expect((await docker.getImage('gryphgen-test:latest').inspect()).Id).toBe(owners.Id);
    await run('image', 'push', '--file', archive('push-test/own:1'), '--to', 'forge');
    const first = await docker.getImage('push-test/own:1').inspect();
    expect((await run('image', 'push', '--file', archive('push-test/own:1'), '--to', 'forge')).code).toBe(0);
    expect((await docker.getImage('push-test/own:1').inspect()).Id).not.toBe(first.Id);
    await docker.getImage(first.Id).remove();
  });
});

describe('a large image', () => {
  const name = 'push-test/large:1';
  const bytes = 300 * mib;

  it('takes no more memory of either end than a small one', async () => {
    const file = join(folder, 'large.tar');
    writeHollowArchive(file, name, bytes);
    // From here on the peak is counted anew.
    writeFileSync(`/proc/${forge.pid}/clear_refs`, '5');
    const beforeBytes = peakOf(forge.pid);
    const pushing = start(['image', 'push', '--file', file, '--to', 'forge']);
    let senders = 0;
    const look = setInterval(() => {
      senders = Math.max(senders, peakOf(pushing.child.pid));
    }, 50);
    const { code, stderr } = await pushing.end();
    clearInterval(look);
    expect(stderr).toMatch(/^forge {2}has it: 300 MiB/);
    expect(code).toBe(0);
    expect(peakOf(forge.pid) - beforeBytes).toBeLessThan(100 * mib);
    expect(senders).toBeLessThan(200 * mib);
    await docker.getImage(name).remove();
  }, 180_000);

  /** Sends so much of it, and then waits. */
  async function sendPart(signal: AbortSignal, sent: () => void): Promise<unknown> {
    const file = await open(join(folder, 'large.tar'), 'r');
    try {
      const [image] = await readImageArchive(file);
      if (image === undefined) throw new Error('it holds none');
      return await pushImage(client, 'forge', {
        order: orderOf(image, [name]),
        signal,
        bytes: async function* () {
          let left = 20 * mib;
          for await (const piece of image.bytes()) {
            yield piece;
            left -= piece.length;
            if (left < 0) break;
          }
          sent();
          await new Promise(() => undefined);
        },
      }).catch((error: unknown) => error);
    } finally {
      await file.close();
    }
  }

  it('that is not sent to its end leaves nothing', async () => {
    const ids = await imageIds();
    const leave = new AbortController();
    expect(await sendPart(leave.signal, () => leave.abort())).toMatchObject({ code: 'cancelled.user' });
    expect(await imageIds()).toEqual(ids);
  });

  it('whose worker is killed leaves nothing, and its sender learns of it', async () => {
    const leave = new AbortController();
    let killed: Promise<void> | undefined;
    const kill = (): void => {
      killed = forge.kill();
      void killed.then(() => leave.abort());
    };
    let ended: unknown;
    // The push before this one, of the same image, may not be given up yet.
    do ended = await sendPart(leave.signal, kill);
    while (killed === undefined && ended instanceof GridError && ended.code === 'rejected.state');
    expect(killed).toBeDefined();
    expect(ended).toBeInstanceOf(Error);
    await killed;
    forge.start();
    await allReady();
    expect(await hasImage(name)).toBe(false);
  });
});

function peakOf(pid: number | undefined): number {
  try {
    const [, kib = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
  } catch {
    // It has just ended.
    return 0;
  }
}

/** What a process has open. */
function filesOf(pid: number | undefined): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return [];
    }
  });
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function drain(stream: NodeJS.ReadableStream): Promise<void> {
  await collect(stream);
}
