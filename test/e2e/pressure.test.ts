/**
 * A machine under pressure takes no new work that it could not do, says why, and recovers by itself; what runs goes on.
 * Real daemons, a small disk, the real engine behind a proxy that falls silent, a fake nvidia-smi. Needs root (mount).
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gridOf, loadMembership } from '@gryphgen/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
import { EngineProxy } from './engine-proxy.fixture.ts';
import { docker } from './executor-container-place.ts';

const MiB = 1024 ** 2;
const diskBytes = 128 * MiB;
const image = ['--image', 'gryphgen-test:latest'];
const recording = readFileSync(join(import.meta.dirname, '../fixtures/nvidia-smi/rtx-3060-v12.xml'), 'utf8');

const grid = new GridFixture();
const engine = new EngineProxy();
const fakes = mkdtempSync(join(tmpdir(), 'gg-fakes-'));
const disk = join(grid.home, 'disk');

beforeAll(async () => {
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
  heat(92);
  const program = join(fakes, 'nvidia-smi');
  writeFileSync(program, `#!/bin/sh\n[ "$1" = -q ] && exec cat ${fakes}/card.xml\nexit 1\n`);
  chmodSync(program, 0o755);
  const socket = join(fakes, 'engine.sock');
  await engine.listen(socket);
  grid.env.GRID_HOME = join(disk, 'home');
  grid.env.GRID_MIN_DISK_FREE = '40MiB';
  grid.env.DOCKER_HOST = `unix://${socket}`;
  grid.env.PATH = `${fakes}:${grid.env.PATH}`;
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
});

afterAll(async () => {
  engine.speak();
  await grid.grid('down');
  await engine.close();
  execFileSync('umount', [disk]);
  await grid.stop();
  rmSync(fakes, { recursive: true });
});

function heat(celsius: number): void {
  writeFileSync(join(fakes, 'card.xml'), recording.replace('<gpu_temp>42 C', `<gpu_temp>${celsius} C`));
}

interface NodeJson {
  readonly capabilities: readonly string[];
  readonly pressures: readonly { readonly name: string; readonly stops: readonly string[] }[];
  readonly devices: readonly { readonly uuid: string; readonly pressure: { readonly name: string } | null }[];
}

/** Looked at until it is so: nobody tells when a machine has changed. */
async function nodeWith(isSo: (node: NodeJson) => boolean): Promise<NodeJson> {
  for (;;) {
    const [node] = await grid.json<NodeJson[]>('nodes');
    if (node !== undefined && isSo(node)) return node;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const presses =
  (name: string) =>
  ({ pressures }: NodeJson): boolean =>
    pressures.some((pressure) => pressure.name === name);

async function running(...args: string[]): Promise<string> {
  const id = await grid.submit(...args);
  while ((await grid.json<{ state: string }>('show', id)).state !== 'running');
  return id;
}

async function reasonsOf(id: string): Promise<readonly string[]> {
  expect(await grid.json('show', id)).toMatchObject({ state: 'waiting', attempts: 0 });
  const { workers } = await grid.json<{ workers: { reasons: string[] }[] }>('explain', id);
  return workers.flatMap(({ reasons }) => reasons);
}

const until = (flag: string) => ['--', 'sh', '-c', `until [ -e ${flag} ]; do sleep 0.1; done`];

/** A card is looked at every 30 s, so what it waits for goes on beside the other tests. */
let waitsForCard: string;

describe.skipIf(process.getuid?.() !== 0)('under pressure', () => {
  it('a hot card gets nothing new, the machine does', async () => {
    const [card] = (await nodeWith(({ devices }) => devices[0]?.pressure !== null)).devices;
    expect(card?.pressure).toMatchObject({ name: 'hot' });
    waitsForCard = await grid.submit('--vram', '1GiB', '--', 'true');
    expect(await reasonsOf(waitsForCard)).toEqual([
      expect.stringMatching(/^NVIDIA GeForce RTX 3060 is hot since [^:]*: 92 C, slows down at 93 C/),
    ]);
    expect((await grid.grid('submit', '--wait', '--', 'true')).code).toBe(0);
    heat(60);
  });

  it('a disk that is nearly full takes nothing new, and everything when there is room again', async () => {
    const flag = join(grid.home, 'disk-go');
    const runs = await running(...until(flag));
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - 20 * MiB));
    expect(await nodeWith(presses('low disk'))).toMatchObject({
      pressures: [{ stops: ['container', 'process', 'ingest', 'retrieve'] }],
    });
    const waits = await grid.submit('--', 'true');
    expect(await reasonsOf(waits)).toEqual([
      expect.stringMatching(/^low disk since [^:]*: .* MiB free of 128 MiB, takes new work above 80 MiB/),
    ]);
    expect((await grid.grid('node', 'show', 'forge')).stdout).toMatch(/^low disk since .*\(nothing new\)$/m);
    // What runs goes on, and its end is known.
    writeFileSync(flag, '');
    expect((await grid.grid('wait', runs)).code).toBe(0);
    rmSync(join(disk, 'ballast'));
    expect((await grid.grid('wait', waits)).code).toBe(0);
    expect((await nodeWith((node) => !presses('low disk')(node))).pressures).toEqual([]);
  });

  it('an engine that does not answer gets no containers, and goes on where it was', async () => {
    const runs = await running(...image, ...until('/tmp/go'));
    engine.silence();
    expect((await nodeWith(presses('stuck engine'))).capabilities).toContain('container');
    const waits = await grid.submit(...image, '--', 'true');
    expect(await reasonsOf(waits)).toEqual([
      expect.stringMatching(/^stuck engine since [^:]*: the Docker engine does not answer/),
    ]);
    expect((await grid.grid('submit', '--wait', '--', 'true')).code).toBe(0);
    engine.speak();
    expect((await grid.grid('wait', waits)).code).toBe(0);
    const label = [
      `gryphgen.task=${runs.slice(1)}`,
      `gryphgen.grid=${gridOf(loadMembership(join(disk, 'home')))}`,
    ];
    const [found] = await docker.listContainers({ filters: { label } });
    const go = await docker.getContainer(found?.Id ?? '').exec({ Cmd: ['touch', '/tmp/go'] });
    await go.start({});
    expect((await grid.grid('wait', runs)).code).toBe(0);
    for (const id of [runs, waits]) expect(await grid.json('show', id)).toMatchObject({ attempts: 1 });
  });

  it('a card that is cool again is given what waited for it', { timeout: 120_000 }, async () => {
    expect((await grid.grid('wait', waitsForCard)).code).toBe(0);
    expect((await nodeWith(() => true)).devices).toMatchObject([{ pressure: null }]);
  });
});
