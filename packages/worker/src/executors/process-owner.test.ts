import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { containersIn, readProc } from './process-owner.ts';
import { ownerByScratch, scratchVariable } from './stray-processes.ts';

const id = '3f1c0a'.padEnd(64, '9');
const outer = 'abcdef'.repeat(10).padEnd(64, '0');

it.each([
  ['v1, cgroupfs', `12:pids:/docker/${id}\n4:memory:/docker/${id}\n0::/system.slice/containerd.service\n`],
  [
    'v1, systemd',
    `4:memory:/system.slice/docker-${id}.scope\n1:name=systemd:/system.slice/docker-${id}.scope\n`,
  ],
  ['v2, cgroupfs', `0::/docker/${id}\n`],
  ['v2, systemd', `0::/system.slice/docker-${id}.scope\n`],
  ['v2, a part of the container', `0::/system.slice/docker-${id}.scope/init.scope\n`],
  ['a parent of one’s own', `0::/grid.slice/docker-${id}.scope\n`],
  ['seen from another cgroup namespace', `0::/../../docker-${id}.scope\n`],
  ['rootless docker', `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${id}.scope\n`],
  ['podman, systemd', `0::/machine.slice/libpod-${id}.scope/container\n`],
  ['podman, cgroupfs', `4:memory:/libpod_parent/libpod-${id}\n`],
  [
    'cri-o',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234.slice/crio-${id}.scope\n`,
  ],
  ['containerd, systemd', `0::/kubepods.slice/kubepods-pod12_34.slice/cri-containerd-${id}.scope\n`],
  ['containerd, cgroupfs', `4:memory:/kubepods/besteffort/pod9f1c0a9e-0000-1111-2222-333344445555/${id}\n`],
  ['containerd, mixed', `0::/system.slice/containerd.service/kubepods-pod12.slice:cri-containerd:${id}\n`],
])('finds the container in a cgroup: %s', (_, cgroup) => {
  expect(new Set(containersIn(cgroup))).toEqual(new Set([id]));
});

it('finds both of a container within a container, and none where there is none', () => {
  expect(containersIn(`0::/docker/${outer}/docker/${id}\n`)).toEqual([outer, id]);
  expect(containersIn('0::/user.slice/user-1000.slice/session-2.scope\n')).toEqual([]);
  expect(containersIn(`0::/docker/${id}0\n`)).toEqual([]);
});

const children: ReturnType<typeof spawn>[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
});

/** A shell that tells the number of a child, which it waits for. */
async function shell(
  line: string,
  env: Record<string, string>,
): Promise<readonly [shell: number, child: number]> {
  const child = spawn('/bin/sh', ['-c', line], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const [told] = (await once(child.stdout, 'data')) as [Buffer];
  return [child.pid as number, Number(told.toString())];
}

it('knows a process by the scratch folder it was started with, and what descends from it', async () => {
  const env = { PATH: '/usr/bin:/bin', [scratchVariable]: '/grid/scratch/3.7.1' };
  // It ends with its parent's input, and has nothing of its environment.
  const [parent, child] = await shell("exec 3<&0; env -i /bin/sh -c 'echo $$; read line' <&3 & wait", env);
  const ours = { kind: 'attempt', key: '3.7.1' };
  expect(await ownerByScratch(parent, '/grid/scratch')).toEqual(ours);
  expect(await ownerByScratch(child, '/grid/scratch')).toEqual(ours);
  expect(await ownerByScratch(parent, '/grid/other')).toEqual({ kind: 'foreign' });
  expect(await ownerByScratch(parent, '/grid/scr')).toEqual({ kind: 'foreign' });
});

it('takes what is not ours for foreign, and what has ended for gone', async () => {
  expect(await ownerByScratch(process.pid, '/grid/scratch')).toEqual({ kind: 'foreign' });
  expect(await ownerByScratch(1, '/grid/scratch')).toEqual({ kind: 'foreign' });
  const child = spawn('/bin/true');
  await once(child, 'exit');
  expect(await readProc(child.pid as number, 'cgroup')).toEqual({ kind: 'gone' });
  expect(await ownerByScratch(child.pid as number, '/grid/scratch')).toEqual({ kind: 'gone' });
});

it('says of what it may not read that it cannot be told', async () => {
  expect(await readProc(process.pid, 'no-such-file')).toEqual({ kind: 'unknown' });
});
