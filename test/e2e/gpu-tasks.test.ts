/**
 * Tasks that ask for GPUs on the reference machine: an RTX 3060 12 GB and a GTX 1060 of 6064 MiB. No driver is here:
 * nvidia-smi is a fake on the PATH that prints recordings, and a proxy takes devices out of what the engine is asked.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
import { EngineProxy } from './engine-proxy.fixture.ts';
import { fakeNvidiaSmi, gtx1060, rtx3060 } from './gpu-fakes.fixture.ts';

const grid = new GridFixture();
const engine = new EngineProxy();
const folder = mkdtempSync(join(tmpdir(), 'gg-fakes-'));

interface TaskJson {
  readonly state: string;
  readonly devices: readonly string[];
}

beforeAll(async () => {
  fakeNvidiaSmi(folder);
  const socket = join(folder, 'engine.sock');
  await engine.listen(socket);
  grid.env.PATH = `${folder}:${grid.env.PATH}`;
  grid.env.DOCKER_HOST = `unix://${socket}`;
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
});

afterAll(async () => {
  await grid.stop();
  await engine.close();
  rmSync(folder, { recursive: true });
});

const image = ['--image', 'gryphgen-test:latest'];
const uuidsOf = (document: { readonly devices: readonly (string | { readonly uuid: string })[] }) =>
  document.devices.map((device) => (typeof device === 'string' ? device : device.uuid));

it('shows both cards, with the memory they have and not the one in their name', async () => {
  const [node] = await grid.json<{ devices: object[] }[]>('nodes');
  expect(node?.devices).toMatchObject([
    { uuid: rtx3060, vramBytes: 12_288 * 2 ** 20, computeCapability: '8.6' },
    { uuid: gtx1060, vramBytes: 6064 * 2 ** 20, computeCapability: '6.1' },
  ]);
});

it('gives a container exactly its device', async () => {
  const id = await grid.submit(...image, '--vram', '5GiB', '--', 'true');
  expect((await grid.grid('wait', id)).code).toBe(0);
  // The smaller card is enough.
  expect(engine.asked.get(id)).toEqual([{ Driver: 'nvidia', DeviceIDs: [gtx1060], Capabilities: [['gpu']] }]);
  const both = await grid.submit(...image, '--gpu', '2', '--', 'true');
  expect((await grid.grid('wait', both)).code).toBe(0);
  expect(engine.asked.get(both)).toMatchObject([{ DeviceIDs: expect.arrayContaining([rtx3060, gtx1060]) }]);
  const none = await grid.submit(...image, '--', 'true');
  expect((await grid.grid('wait', none)).code).toBe(0);
  expect(engine.asked.get(none)).toBeUndefined();
});

it('a process sees its device and no other', async () => {
  const { stdout } = await grid.grid(
    'submit',
    '--wait',
    '--vram',
    '1GiB',
    '--gpu-uuid',
    rtx3060,
    '--',
    'sh',
    '-c',
    'echo $CUDA_VISIBLE_DEVICES',
  );
  expect(stdout).toBe(`${rtx3060}\n`);
  const without = await grid.grid('submit', '--wait', '--', 'sh', '-c', 'echo "[$CUDA_VISIBLE_DEVICES]"');
  expect(without.stdout).toBe('[]\n');
});

it('7 GiB never go on the GTX 1060; a second 7 GiB wait, and say for what', async () => {
  const first = await grid.submit('--vram', '7GiB', '--', 'sleep', '600');
  const second = await grid.submit('--vram', '7GiB', '--', 'true');
  expect(uuidsOf(await grid.json<TaskJson>('show', first))).toEqual([rtx3060]);
  expect(await grid.json<TaskJson>('show', second)).toMatchObject({ state: 'waiting' });
  const { workers } = await grid.json<{ workers: { reasons: string[] }[] }>('explain', second);
  const reasons = workers[0]?.reasons.join('\n');
  expect(reasons).toMatch(/RTX 3060 has .* free of 12 GiB \(1 attempt holding 7 GiB.*7 GiB asked/);
  expect(reasons).toMatch(/GTX 1060 6GB has 6064 MiB, 7 GiB asked: 1104 MiB short/);
  await grid.grid('cancel', first);
  expect((await grid.grid('wait', second)).code).toBe(0);
  expect(uuidsOf(await grid.json<TaskJson>('show', second))).toEqual([rtx3060]);
});

it('compute capability 7.0 excludes Pascal', async () => {
  const wish = ['--vram', '1GiB', '--min-cc', '7.0', '--gpu-name', 'gtx'];
  const { code, stderr } = await grid.grid('submit', ...wish, '--', 'true');
  expect(stderr).toContain('GTX 1060 6GB has compute capability 6.1, at least 7.0 asked');
  expect(code).toBe(3);
});

it('6 GiB for the GTX 1060 are 80 MiB too many, and it says so', async () => {
  const { code, stderr } = await grid.grid('submit', '--vram', '6GiB', '--gpu-name', '1060', '--', 'true');
  expect(stderr).toContain('80 MiB short');
  expect(stderr).toContain('ask for 6064MiB or less');
  expect(code).toBe(3);
});
