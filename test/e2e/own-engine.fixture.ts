/**
 * A Docker engine of a test's own, to be killed or set up in its own way: its data, sockets and containers are in one
 * folder, its bridge has a name of its own. Needs root.
 *
 * 1. Whether a containerd outlives its dockerd depends on the version, so both are killed.
 * 2. The bridge is made here and named: without one (`--bridge none`) dockerd would remove that of the machine's engine.
 *    Two files may have an engine each at a time: the addresses of their bridges differ, too.
 * 3. Users are mapped to those of files that only this engine sees in the place of /etc/subuid and /etc/subgid.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { connectEngine } from '@gryphgen/worker';

const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const askAgainMs = 50;

export interface OwnEngineOptions {
  /** Users of its containers are those of the machine from this number on. */
  readonly usersFrom?: number;
  /** Programs by the names that tasks call them. */
  readonly runtimes?: Readonly<Record<string, string>>;
}

/** $1: the users, then the program with its arguments. */
const withUsers = 'mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid; shift; exec "$@"';

/** Of 4096 networks of 14 hosts in 172.31.0.0/16. */
function addressOf(pid: number): string {
  const at = pid % 4096;
  return `172.31.${at >> 4}.${((at & 15) << 4) + 1}/28`;
}

export class OwnEngine {
  readonly folder = mkdtempSync(join(tmpdir(), 'gg-engine-'));
  readonly socket = join(this.folder, 'docker.sock');
  readonly docker = connectEngine({ socketPath: this.socket });
  private readonly containerdPid = join(this.folder, 'exec/containerd/containerd.pid');
  private readonly bridge = `gg${process.pid}`;
  private child: ChildProcess | undefined;
  private readonly options: OwnEngineOptions;
  private said = '';

  constructor(options: OwnEngineOptions = {}) {
    this.options = options;
    execFileSync('ip', ['link', 'add', this.bridge, 'type', 'bridge'], { env: environment });
    execFileSync('ip', ['address', 'add', addressOf(process.pid), 'dev', this.bridge], { env: environment });
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const { folder, bridge } = this;
    rmSync(join(folder, 'docker.pid'), { force: true });
    const places = ['data-root', 'exec-root'].map((name) => `--${name}=${join(folder, name.slice(0, 4))}`);
    const groups = `--cgroup-parent=/${basename(folder)}`;
    const network = [`--bridge=${bridge}`, '--iptables=false', '--ip-masq=false', '--ip-forward=false'];
    const sockets = [`--host=unix://${this.socket}`, `--pidfile=${join(folder, 'docker.pid')}`];
    const [program = '', ...args] = this.mapped([
      'dockerd',
      ...sockets,
      ...places,
      groups,
      ...network,
      ...this.runtimes(),
    ]);
    const child = spawn(program, args, {
      // What a containerd that stands still is doing is written there, before dockerd ends it.
      env: { ...environment, GRID_TEST_ENGINE: folder, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    child.stderr.on('data', (bytes: Buffer) => {
      this.said = (this.said + bytes.toString()).slice(-3000);
    });
    while (!(await this.answers())) {
      if (child.exitCode !== null) throw new Error(`dockerd did not start: ${this.said}`);
      await new Promise((resolve) => setTimeout(resolve, askAgainMs));
    }
  }

  /** SIGKILL to dockerd and its containerd: what runs in containers runs on until the next one ends it. */
  async kill(): Promise<void> {
    const containerd = this.containerd();
    await this.end('SIGKILL');
    endNow(containerd);
    // The next dockerd takes it for alive as long as nobody has taken note of its end.
    rmSync(this.containerdPid, { force: true });
  }

  /** As when its machine loses power: containers end with it, and what it keeps in /run is gone. */
  async losePower(): Promise<void> {
    await this.end('SIGKILL');
    await this.clear();
    rmSync(join(this.folder, 'exec'), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    await this.clear();
    execFileSync('ip', ['link', 'delete', this.bridge], { env: environment });
    rmSync(this.folder, { recursive: true });
  }

  /** Shims and half-made containers that a killed containerd had not noted yet are nobody's. */
  private async clear(): Promise<void> {
    for (const pid of this.processes()) endNow(pid);
    const groups = this.cgroups();
    for (const path of groups) for (const pid of numbersIn(join(path, 'cgroup.procs'))) endNow(pid);
    for (const path of groups) await removeGroup(path);
    for (const point of this.mounts().reverse()) execFileSync('umount', ['-l', point]);
  }

  private mapped(command: readonly string[]): readonly string[] {
    const { usersFrom } = this.options;
    if (usersFrom === undefined) return command;
    // They must be able to go where their containers are.
    for (const path of [tmpdir(), this.folder]) chmodSync(path, statSync(path).mode | 0o011);
    const users = join(this.folder, 'users');
    writeFileSync(users, `nobody:${usersFrom}:65536\n`);
    const inside = ['unshare', '--mount', '--propagation', 'slave', 'sh', '-ec', withUsers, 'sh', users];
    return [...inside, ...command, '--userns-remap=nobody:nogroup'];
  }

  private runtimes(): readonly string[] {
    return Object.entries(this.options.runtimes ?? {}).map(([name, path]) => `--add-runtime=${name}=${path}`);
  }

  /** Of the engine: whoever is started for it is told a path in its folder, or has its environment. */
  private processes(): readonly number[] {
    const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid);
    const told = (pid: string) => read(`/proc/${pid}/cmdline`) + read(`/proc/${pid}/environ`);
    return pids.filter((pid) => told(pid).includes(this.folder)).map(Number);
  }

  /** The inner ones first. */
  private cgroups(): readonly string[] {
    const root = '/sys/fs/cgroup';
    const own = ['', ...readdirSync(root)].map((name) => join(root, name, basename(this.folder)));
    return own
      .filter((path) => existsSync(path))
      .flatMap((path) => {
        const inner = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
        return [...inner.map(({ name }) => join(path, name)), path];
      });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  private containerd(): number {
    return Number(readFileSync(this.containerdPid, 'utf8'));
  }

  private async answers(): Promise<boolean> {
    return await this.docker.ping().then(
      () => true,
      () => false,
    );
  }

  private mounts(): string[] {
    const points = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    return points.filter((point) => point.startsWith(`${this.folder}/`));
  }
}

/** It may have ended with its parent. */
function endNow(pid: number): void {
  if (read(`/proc/${pid}/cmdline`) !== '') process.kill(pid, 'SIGKILL');
}

function numbersIn(path: string): readonly number[] {
  return read(path).split('\n').filter(Boolean).map(Number);
}

/** As soon as what was in it has ended. */
async function removeGroup(path: string): Promise<void> {
  for (let tries = 0; tries < 100 && existsSync(path); tries += 1) {
    try {
      rmdirSync(path);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, askAgainMs));
    }
  }
}

/** Empty of what is not there any more. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
