/**
 * Tasks that ask for GPUs on the reference machine: an RTX 3060 12 GB and a GTX 1060 of 6064 MiB. No driver is here:
 * nvidia-smi is a fake on the PATH that prints recordings, and a proxy takes devices out of what the engine is asked.
 */
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gridOf, loadMembership } from '@gryphgen/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
import { EngineProxy } from './engine-proxy.fixture.ts';
import { docker } from './executor-container-place.ts';

const rtx3060 = 'GPU-d6889ff6-2523-9142-ca3c-1ca3f396a625';
const gtx1060 = 'GPU-1060aaaa-0000-1111-2222-333344445555';

const grid = new GridFixture();
const engine = new EngineProxy();
const folder = mkdtempSync(join(tmpdir(), 'gg-fakes-'));

interface TaskJson {
  readonly state: string;
  readonly devices: readonly string[];
}

beforeAll(async () => {
  writeFileSync(join(folder, 'forge.xml'), forgeReport());
  writeFileSync(join(folder, 'looks'), '');
  const program = join(folder, 'nvidia-smi');
  writeFileSync(
    program,
    `#!/bin/sh\n[ "$1" = -q ] || exit 1\necho >>${folder}/looks\nexec cat ${folder}/forge.xml\n`,
  );
  chmodSync(program, 0o755);
  const socket = join(folder, 'engine.sock');
  await engine.listen(socket);
  grid.env.PATH = `${folder}:${grid.env.PATH}`;
  grid.env.DOCKER_HOST = `unix://${socket}`;
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
}, 60_000);

afterAll(async () => {
  await grid.stop();
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** The recording of an RTX 3060, with a GTX 1060 beside it that is told in the same words. */
function forgeReport(): string {
  const recording = readFileSync(
    join(import.meta.dirname, '../fixtures/nvidia-smi/rtx-3060-v12.xml'),
    'utf8',
  );
  const card = /<gpu [\s\S]*<\/gpu>/.exec(recording)?.[0] ?? '';
  const other = card
    .replace(rtx3060, gtx1060)
    .replace('NVIDIA GeForce RTX 3060', 'NVIDIA GeForce GTX 1060 6GB')
    .replace('<total>12288 MiB', '<total>6064 MiB')
    .replace('<free>11806 MiB', '<free>6064 MiB')
    .replace(/<pci_device_id>[^<]*/, '<pci_device_id>1C0310DE');
  return recording.replace(card, card + other);
}

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

// In a container with process numbers of its own, a worker cannot tell whose they are (docs/operate.md).
const onHost = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]';
describe.skipIf(!onHost)('more of a device than was asked for', { timeout: 120_000 }, () => {
  const lastly = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

  /** The number on the host of a task's first process, when it runs. */
  async function pidOf(task: string): Promise<number> {
    const label = [`gryphgen.task=${task.slice(1)}`, `gryphgen.grid=${gridOf(loadMembership(grid.home))}`];
    for (;;) {
      const [found] = await docker.listContainers({ filters: { label } });
      if (found !== undefined) return (await docker.getContainer(found.Id).inspect()).State.Pid;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** From now on the RTX 3060 tells that these tasks hold so many MiB of it. */
  async function holding(mib: Readonly<Record<string, number>>): Promise<void> {
    let left = 11_806;
    let processes = '<processes>';
    for (const [task, used] of Object.entries(mib)) {
      left -= used;
      processes += `<process_info><pid>${await pidOf(task)}</pid><type>C</type>
        <process_name>sleep</process_name><used_memory>${used} MiB</used_memory></process_info>`;
    }
    const next = join(folder, 'next.xml');
    const report = forgeReport()
      .replace('<free>11806 MiB', `<free>${left} MiB`)
      .replace(/<processes>/, processes);
    writeFileSync(next, report);
    renameSync(next, join(folder, 'forge.xml'));
  }

  /** Resolves when the devices have been looked at so many times more. */
  async function looks(count: number): Promise<void> {
    const file = join(folder, 'looks');
    const until = statSync(file).size + count;
    const watcher = watch(file);
    while (statSync(file).size < until) await once(watcher, 'change');
    watcher.close();
  }

  const onBig = (vram: string) => [...image, '--vram', vram, '--gpu-uuid', rtx3060, '--', ...lastly];

  it('is only told of while nobody lacks what is his', async () => {
    const id = await grid.submit(...onBig('2GiB'));
    await holding({ [id]: 3072 });
    await looks(4);
    expect(await grid.json<TaskJson>('show', id)).toMatchObject({ state: 'running' });
    const [node] = await grid.json<{ troubles: string[]; devices: { foreignBytes: number }[] }[]>('nodes');
    expect(node?.troubles).toEqual([
      `${id}.1 holds 3 GiB of NVIDIA GeForce RTX 3060 (${rtx3060}), 2 GiB reserved for it`,
    ]);
    // What is beyond its part nobody else can have: the driver's own 482 MiB, and 1 GiB.
    expect(node?.devices[0]?.foreignBytes).toBe((482 + 1024) * 2 ** 20);
    await grid.grid('cancel', id);
    await grid.grid('wait', id);
    const { stdout, stderr } = await grid.grid('logs', id);
    expect(stdout).toBe('');
    expect(stderr).toContain('[gryphgen: this task held 3 GiB of NVIDIA GeForce RTX 3060');
    await holding({});
  });

  it('ends when a neighbour is endangered, with words; the neighbour goes on', async () => {
    const greedy = await grid.submit(...onBig('5GiB'));
    const modest = await grid.submit(...onBig('5GiB'));
    await holding({ [greedy]: 8192, [modest]: 1024 });
    expect((await grid.grid('wait', greedy)).code).toBe(1);
    const { failure } = await grid.json<{ failure: object }>('show', greedy);
    expect(failure).toEqual({
      code: 'execution.oom',
      message: `ended because it held 8 GiB of NVIDIA GeForce RTX 3060 (${rtx3060}), 5 GiB reserved for it, while ${modest}.1 beside it could still take 4 GiB of the 5 GiB reserved for it and 2590 MiB were free`,
    });
    expect((await grid.grid('logs', greedy)).stderr).toContain('[gryphgen: this task held 8 GiB');
    await holding({ [modest]: 1024 });
    await looks(2);
    expect(await grid.json<TaskJson>('show', modest)).toMatchObject({ state: 'running' });
    await grid.grid('cancel', modest);
    await grid.grid('wait', modest);
    expect((await grid.grid('logs', modest)).stderr).toBe('');
  });
});
