/** What of the kernel containers need: cgroups to hold them to what they asked for, a file system to layer images. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from './check.ts';

const controllers = ['cpu', 'memory', 'pids'];

/** `root`: where /proc and /sys are. */
export function checkKernel(root = '/'): Check {
  const cgroup = cgroupsOf(root);
  const missing = controllers.filter((one) => !cgroup.controllers.includes(one));
  const facts = [cgroup.words, userNamespaces(root)];
  const lacks: [fact: string, fix: string][] = [];
  if (cgroup.version === 0)
    lacks.push(['no cgroups: the engine cannot run', 'mount them: systemd does, or cgroupfs-mount']);
  else if (missing.length > 0)
    lacks.push([
      `nothing holds tasks to their ${missing.join(', ')}`,
      missing.includes('memory')
        ? 'add cgroup_enable=memory to the kernel command line and reboot'
        : 'echo "+cpu +memory +pids" | sudo tee /sys/fs/cgroup/cgroup.subtree_control',
    ]);
  if (cgroup.version === 1)
    lacks.push([
      'newer engines and systemd need version 2, and processes of tasks to be held to what they ask for',
      'remove systemd.unified_cgroup_hierarchy=0 from the kernel command line (or set it to 1) and reboot',
    ]);
  if (!/\boverlay$/m.test(textOf(join(root, 'proc/filesystems'))))
    lacks.push(['no overlay file system: images are copied whole', 'sudo modprobe overlay']);
  if (lacks.length === 0) return { name: 'kernel', state: 'ok', found: [...facts, 'overlay'].join(', ') };
  return {
    name: 'kernel',
    state: 'warning',
    found: [...facts, ...lacks.map(([fact]) => fact)].join('; '),
    fix: lacks.map(([, fix]) => fix).join('; '),
  };
}

interface Cgroups {
  readonly version: 0 | 1 | 2;
  readonly controllers: readonly string[];
  readonly words: string;
}

function cgroupsOf(root: string): Cgroups {
  const folder = join(root, 'sys/fs/cgroup');
  const unified = textOf(join(folder, 'cgroup.controllers')).trim();
  if (unified !== '') return { version: 2, controllers: unified.split(' '), words: 'cgroups version 2' };
  const found = controllers.filter((one) => existsSync(join(folder, one)));
  if (found.length === 0) return { version: 0, controllers: [], words: 'no cgroups' };
  return { version: 1, controllers: found, words: 'cgroups version 1' };
}

/** Only an engine that runs without root needs them: a fact, not a lack. */
function userNamespaces(root: string): string {
  const most = textOf(join(root, 'proc/sys/user/max_user_namespaces')).trim();
  const debian = textOf(join(root, 'proc/sys/kernel/unprivileged_userns_clone')).trim();
  const ubuntu = textOf(join(root, 'proc/sys/kernel/apparmor_restrict_unprivileged_userns')).trim();
  if (most === '' || most === '0') return 'no user namespaces (a rootless engine would need them)';
  if (debian === '0' || ubuntu === '1')
    return 'user namespaces for root alone (a rootless engine would need more)';
  return 'user namespaces';
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // what is not there is not offered
  }
}
