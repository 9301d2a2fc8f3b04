/**
 * After the end-to-end tests the machine is as it was before them, or the run fails and says what they left.
 *
 * 1. Their temporary files are in a folder of their own, and by its name their processes and mounts are known.
 * 2. What the engine and the kernel list is compared, and looked at again for a while: an end may take its time. Nobody
 *    else makes containers meanwhile, or they are taken for the tests'.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What tsx has translated, which it keeps. */
const cache = /^tsx-[0-9]+$/;
const patienceMs = 60_000;
const lookAgainMs = 500;

export function setup(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gg-e2e-'));
  process.env.TMPDIR = folder;
  const before = new Set(listed());
  return async () => {
    let left: readonly string[];
    const end = performance.now() + patienceMs;
    do {
      left = [...ours(folder), ...listed()].filter((thing) => !before.has(thing));
      if (left.length === 0) return rmSync(folder, { recursive: true });
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    } while (performance.now() < end);
    // Vitest tells of an error here, and would call the run good.
    process.exitCode = 1;
    throw new Error(`the end-to-end tests left behind:\n  ${left.join('\n  ')}`);
  };
}

/** Of the whole machine. */
function listed(): readonly string[] {
  return [
    ...engine('container', 'ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}}'),
    ...engine('network', 'network', 'ls', '--format', '{{.Name}}'),
    ...engine('volume', 'volume', 'ls', '--format', '{{.Name}}'),
    ...engine('image', 'images', '--format', '{{.Repository}}:{{.Tag}}'),
    ...namesIn('/sys/class/net').map((name) => `network interface ${name}`),
    ...namesIn('/run/netns').map((name) => `network namespace ${name}`),
    ...namesIn('/dev/shm').map((name) => `file /dev/shm/${name}`),
    ...cgroups().map((path) => `cgroup ${path}`),
  ];
}

function engine(what: string, ...args: readonly string[]): readonly string[] {
  try {
    const text = execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => `${what} ${line}`);
  } catch {
    return []; // no engine: then nothing of it is left
  }
}

/** Those of containers, in every hierarchy. */
function cgroups(): readonly string[] {
  const root = '/sys/fs/cgroup';
  const parents = [root, ...namesIn(root).map((name) => join(root, name))].map((path) =>
    join(path, 'docker'),
  );
  return parents.flatMap((parent) =>
    namesIn(parent)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => join(parent, name)),
  );
}

/** Of the tests alone. */
function ours(folder: string): readonly string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
  return [
    ...namesIn(folder)
      .filter((name) => !cache.test(name))
      .map((name) => `file ${join(folder, name)}`),
    ...mounts.map((line) => `mount ${line}`),
    ...processes(folder),
  ];
}

/** Whose environment or arguments name the folder, but for this one and its own. */
function processes(folder: string): readonly string[] {
  const own = [process.pid, process.ppid];
  return namesIn('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name) || own.includes(Number(name))) return [];
    const args = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
    const names = args.includes(folder) || read(`/proc/${name}/environ`).includes(folder);
    const state = read(`/proc/${name}/status`);
    const parent = Number(/^PPid:\s*([0-9]+)/m.exec(state)?.[1]);
    if (!names || parent === process.pid) return [];
    // What it waits in and who its parent is tell how it came to stay.
    const threads = /^Threads:\s*([0-9]+)/m.exec(state)?.[1];
    const waits = read(`/proc/${name}/wchan`);
    return [`process ${name} of ${parent}, ${threads} threads, in ${waits || 'nothing'}: ${args}`];
  });
}

/** Empty of what is not there any more, or not to be read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function namesIn(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
