/**
 * A machine of its own for tests: a clean Debian (scripts/test-root.sh) whose systemd runs as process 1, in namespaces of
 * its own, over a layer that goes with it. It shares nothing of this machine but the kernel.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class BootedRoot {
  /** Of the machine's file system, as this one sees it. */
  readonly path: string;
  private readonly folder: string;
  private readonly booted: ChildProcess;
  /** Process 1 of the machine, as this one numbers it. */
  private first = 0;

  /** `suite`: a release of Debian or Ubuntu, by its code name. */
  constructor(suite: string) {
    const clean = execFileSync('bash', ['scripts/test-root.sh', suite], {
      cwd: projectRoot,
      encoding: 'utf8',
    }).trim();
    mkdirSync(join(projectRoot, '.tmp'), { recursive: true });
    this.folder = mkdtempSync(join(projectRoot, '.tmp', 'machine-'));
    // In memory: a checkout may lie where no layer can be written, and nothing of it is to last.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=700', 'tmpfs', this.folder]);
    const [upper, work, path] = ['upper', 'work', 'root'].map((name) => join(this.folder, name)) as [
      string,
      string,
      string,
    ];
    for (const made of [upper, work, path]) mkdirSync(made, { mode: 0o755 });
    execFileSync('mount', [
      '-t',
      'overlay',
      'overlay',
      '-o',
      `lowerdir=${clean},upperdir=${upper},workdir=${work}`,
      path,
    ]);
    this.path = path;
    this.booted = spawn(
      'systemd-nspawn',
      [
        '--quiet',
        '--register=no',
        '--keep-unit',
        '--private-network',
        '--console=pipe',
        '--boot',
        '-D',
        path,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
  }

  async start(): Promise<void> {
    const ended = once(this.booted, 'exit').then(([code]) => {
      throw new Error(`systemd-nspawn ended with ${code}`);
    });
    ended.catch(() => undefined);
    const up = async (): Promise<void> => {
      while (
        !this.findFirst() ||
        (await this.run('systemctl', 'is-active', '--quiet', 'multi-user.target')).code !== 0
      )
        await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await Promise.race([up(), ended]);
    // nspawn gives a boot id of its own, which services in a sandbox do not see; a machine has one.
    await this.must('umount', '/proc/sys/kernel/random/boot_id');
    const daily = ['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer'];
    await this.must('systemctl', 'mask', '--quiet', '--runtime', '--now', ...daily);
  }

  /** Puts a file into the machine's /root and returns where it is there. */
  give(file: string): string {
    copyFileSync(file, join(this.path, 'root', basename(file)));
    return `/root/${basename(file)}`;
  }

  run(...command: readonly string[]): Promise<Ran> {
    return this.runAs('root', {}, ...command);
  }

  async runAs(
    user: string,
    env: Readonly<Record<string, string>>,
    ...command: readonly string[]
  ): Promise<Ran> {
    const become = user === 'root' ? [] : ['setpriv', '--reuid', user, '--regid', user, '--init-groups'];
    const settings = [
      'env',
      '-i',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'LC_ALL=C',
      'DEBIAN_FRONTEND=noninteractive',
    ];
    const given = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const child = spawn(
      'nsenter',
      ['-t', `${this.first}`, '-a', ...become, ...settings, ...given, ...command],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    const [code] = await once(child, 'close');
    return { code, stdout, stderr };
  }

  /** Returns what it printed. */
  async must(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  /** A unit's property, as soon as `isRight`; waits as long as the test may last. */
  async property(
    unit: string,
    name: string,
    isRight: (value: string) => boolean = () => true,
  ): Promise<string> {
    for (;;) {
      const value = await this.must('systemctl', 'show', '--value', '-p', name, unit);
      if (isRight(value)) return value;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    if (this.booted.exitCode === null && this.booted.signalCode === null) {
      const ended = once(this.booted, 'exit');
      if (this.findFirst()) process.kill(this.first, 'SIGKILL');
      else this.booted.kill('SIGKILL');
      await ended;
    }
    execFileSync('umount', [this.path]);
    execFileSync('umount', [this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Its first process, and never one of this machine's own: commands are run as if in there. */
  private findFirst(): boolean {
    const children = `/proc/${this.booted.pid}/task`;
    const pids = namesIn(children).flatMap((task) =>
      textOf(join(children, task, 'children'))
        .split(' ')
        .filter(Boolean),
    );
    const found = pids.find(
      (pid) =>
        textOf(`/proc/${pid}/comm`).trim() === 'systemd' &&
        /^NSpid:.*\s1$/m.test(textOf(`/proc/${pid}/status`)) &&
        mountsOf(pid) !== mountsOf('self'),
    );
    this.first = Number(found ?? 0);
    return found !== undefined;
  }
}

/** Empty of a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function mountsOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return '';
  }
}
