/** What a task asks for and the owner allows, as the container sees it; and what is refused here whatever a broker says. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBody } from '@gryphgen/protocol';
import { type ContainerExecutor, type ContainerPolicy, defaultPolicy, type Fence } from '@gryphgen/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makePlace, newFence, orderOf, type Place, textOf } from '../conformance/executor-suite.ts';
import { createContainerExecutor, docker, image, leftovers, owner } from './executor-container-place.ts';

let place: Place;
let executor: ContainerExecutor;
let fences: Fence[];
let data: string;

beforeEach(async () => {
  place = await makePlace();
  data = mkdtempSync(join(tmpdir(), 'gg-data-'));
  chmodSync(data, 0o755);
  fences = [];
  await live();
});

afterEach(async () => {
  for (const fence of fences) executor.forget(fence);
  await executor.close();
  await place.logs.close();
  rmSync(place.folder, { recursive: true });
  rmSync(data, { recursive: true });
  expect(await leftovers()).toEqual([]);
});

async function live(policy: Partial<ContainerPolicy> = {}): Promise<void> {
  const notes = join(place.folder, 'containers');
  executor = createContainerExecutor(place, docker, notes, { ...defaultPolicy, ...policy });
  expect(await executor.probe()).toBe(true);
  await executor.adopt();
}

async function allow(policy: Partial<ContainerPolicy>): Promise<void> {
  await executor.close();
  await live(policy);
}

function start(line: string, body: object = {}): Fence {
  const fence = newFence();
  fences.push(fence);
  executor.start(orderOf('container', fence, encodeBody({ image, command: ['sh', '-c', line], ...body })));
  return fence;
}

async function output(line: string, body: object = {}): Promise<string> {
  const fence = start(line, body);
  await place.events.find('exited', fence);
  return (await textOf(place.logs, fence)).trim();
}

async function refusal(body: object): Promise<string> {
  const { failure } = await place.events.find('startFailed', start('true', body));
  return `${failure.code}: ${failure.message}`;
}

const nameOf = ({ task, attempt, epoch }: Fence) =>
  `gg-${owner.grid.slice(0, 8)}-t${task}.${attempt}-e${epoch}`;

describe('without a policy file', () => {
  it('a container is nobody, and the engine filters its system calls', async () => {
    expect(await output('id -u; id -g; grep Seccomp: /proc/self/status')).toBe('65534\n65534\nSeccomp:\t2');
  });

  it.each<[string, object, string]>([
    ['the host network', { network: 'host' }, 'allows no host network'],
    ['root', { user: '0:0' }, 'lets no container run as root'],
    ['a mount', { mounts: [{ name: 'data', to: '/data' }] }, 'has no mount named data'],
    ['a runtime that is not installed', { runtime: 'kata' }, 'does not offer runtime kata'],
  ])('%s is refused here too, whatever the broker placed', async (_, body, words) => {
    expect(await refusal(body)).toBe(`rejected.forbidden: the policy of this worker ${words}`);
  });

  it.each<[string, object]>([
    ['a field that is not known', { privileged: true }],
    ['a path that leads out', { mounts: [{ name: 'data', to: '/data/../../etc' }] }],
  ])('%s is refused as invalid', async (_, body) => {
    expect(await refusal(body)).toMatch(/^rejected\.invalid: body/);
  });

  it('the Docker socket is nowhere to be seen, and no network device but loopback', async () => {
    const line = 'ls /var/run/docker.sock /run/docker.sock 2>&1 | grep -c "No such file"; ls /sys/class/net';
    expect(await output(line)).toBe('2\nlo');
  });
});

describe('what a task asks for', () => {
  it('the bridge is a network of its own, apart from the machine', async () => {
    expect(await output('ls /sys/class/net', { network: 'bridge' })).toMatch(/^eth0\nlo$/);
  });

  it('a user, open files, processes and a runtime are as it says', async () => {
    const body = {
      user: '1000:2000',
      ulimits: { nofile: { soft: 77, hard: 99 }, core: { soft: 0, hard: 0 } },
      runtime: 'runc',
    };
    const fence = start('id -u; id -g; ulimit -n; ulimit -Hn; ulimit -c', body);
    await place.events.find('exited', fence);
    expect(await textOf(place.logs, fence)).toBe('1000\n2000\n77\n99\n0\n');
    const { HostConfig } = await docker.getContainer(nameOf(fence)).inspect();
    expect(HostConfig).toMatchObject({ Runtime: 'runc', Privileged: false, CapAdd: null });
  });

  it('scratch in memory is as large as it says: more gets ENOSPC', async () => {
    const body = { scratch: { sizeBytes: 1024 * 1024, to: '/work' } };
    const line =
      'dd if=/dev/zero of=/work/x bs=64k count=99 2>&1 | grep -c "No space left"; stat -c %s /work/x; touch /tmp/x && echo tmp';
    expect(await output(line, body)).toBe('1\n1048576\ntmp');
  });

  it('scratch at /tmp is instead of the usual one', async () => {
    expect(await output('df -k /tmp | tail -1', { scratch: { sizeBytes: 8 * 1024 * 1024 } })).toMatch(
      /^tmpfs +8192 /,
    );
  });

  it('scratch on disk can be written by whoever the task is, and goes with its container', async () => {
    const before = (await docker.listVolumes()).Volumes.length;
    const body = { scratch: { sizeBytes: 1024 * 1024, medium: 'disk', to: '/work/deep' } };
    const line = 'echo x > /work/deep/x && cat /work/deep/x; stat -c %a /work/deep; touch /work/y 2>&1';
    expect(await output(line, body)).toMatch(/^x\n1777\n.*Read-only file system$/);
    for (const fence of fences.splice(0)) executor.forget(fence);
    await executor.close();
    expect((await docker.listVolumes()).Volumes).toHaveLength(before);
    await live();
  });

  it('its image can be written to only where that was asked for', async () => {
    const line = 'touch /x 2>&1';
    expect(await output(line)).toMatch(/Read-only file system$/);
    expect(await output(line, { readOnlyRoot: false })).toMatch(/Permission denied$/);
  });

  it('the signal it wants is what it gets first, also from the next life of its worker', async () => {
    const line =
      'trap "echo caught INT" INT; trap "echo TERM; exit" TERM; echo up; while :; do sleep 0.05; done';
    const fence = start(line, { stopSignal: 'SIGINT' });
    await textOf(place.logs, fence, /up/);
    await executor.close();
    await live();
    executor.stop(fence, 3_600_000, 'cancel');
    await textOf(place.logs, fence, /caught INT/);
    executor.stop(fence, 50, 'cancel');
    expect((await place.events.find('exited', fence)).exit).toMatchObject({ exitCode: 137, stopped: true });
    expect(await textOf(place.logs, fence)).not.toContain('TERM');
  });
});

describe('a mount', () => {
  const mounts = (more: object = {}) => ({ mounts: [{ name: 'data', to: '/data', ...more }] });

  it('is read-only unless the task says so and the owner lets it', async () => {
    writeFileSync(join(data, 'x'), 'hello\n');
    chmodSync(data, 0o777);
    await allow({ mounts: { data: { path: data, write: true } } });
    const line = '{ cat /data/x; echo new > /data/y; ls /data; } 2>&1';
    expect(await output(line, mounts())).toMatch(/^hello\n.*Read-only file system\nx$/);
    expect(await output(line, mounts({ readOnly: false }))).toBe('hello\nx\ny');
    await allow({ mounts: { data: { path: data, write: false } } });
    expect(await refusal(mounts({ readOnly: false }))).toContain('lets mount data be read, not written');
  });

  it('that has become a way to the rest of the machine is refused, and so is one that is gone', async () => {
    const path = join(data, 'in');
    mkdirSync(path);
    await allow({ mounts: { data: { path, write: false } } });
    expect(executor.offers().mounts).toEqual([{ name: 'data', write: false }]);
    renameSync(path, join(data, 'away'));
    const gone = await refusal(mounts());
    expect(gone).toBe('execution.start: the folder of mount data is not there on this worker');
    symlinkSync('/', path);
    expect(await refusal(mounts())).toBe(
      'execution.start: the folder of mount data may not be mounted on this worker',
    );
    await executor.probe();
    expect(executor.offers().mounts).toEqual([]);
  });

  it('brings nothing along that is mounted below it', async () => {
    mkdirSync(join(data, 'below'));
    await allow({ mounts: { data: { path: data, write: false } } });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(data, 'below')]);
    try {
      writeFileSync(join(data, 'below', 'secret'), 'x');
      expect(await output('ls /data/below; grep -c " /data" /proc/mounts', mounts())).toBe('1');
    } finally {
      execFileSync('umount', [join(data, 'below')]);
    }
  });
});

describe('images', () => {
  it('run that the owner allows, and not by the start of their id', async () => {
    await allow({ images: ['gryphgen-test', 'docker.io/library/*'] });
    expect(await output('echo yes')).toBe('yes');
    const { Id: id } = await docker.getImage(image).inspect();
    const short = id.replace('sha256:', '').slice(0, 12);
    expect(await refusal({ image: short, pull: 'never' })).toContain('has no image');
    await allow({ images: ['ghcr.io/*'] });
    expect(await refusal({})).toContain(`does not allow image ${image}`);
  });
});
