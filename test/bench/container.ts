/**
 * A container task, submit to result, cold and warm, against the same container made through dockerode by hand, and
 * against what the engine takes to bring a command to a shell that waits, and its answer back.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gridOf, loadMembership } from '@gryphgen/client';
import Docker from 'dockerode';
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, row } from './row.ts';
import { percentile } from './statistics.ts';

const makeImage = fileURLToPath(new URL('../../scripts/make-test-image.sh', import.meta.url));
const command = ['true'];
/** Containers that a worker keeps ready of one shape: none is being made while one is measured. */
const kept = 4;
const lookAgainMs = 20;
/** An engine that has made a container has work behind it. */
const restMs = 200;

export const container: Benchmark = {
  name: 'container',
  about:
    'a container task, submit to result, cold in turns with bare dockerode, then warm, in turns with a bare shell',
  async run(setting) {
    const docker = new Docker();
    if (!(await answers(docker))) {
      setting.say('container: left out, because no Docker engine answers');
      return [];
    }
    const image = execFileSync(makeImage, { encoding: 'utf8' }).trim().split('\n').at(-1) as string;
    const bare: number[] = [];
    const cold: number[] = [];
    const warm: number[] = [];
    const next: number[] = [];
    const shell: number[] = [];
    const bench = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      const byGrid = async (isWarm: boolean) =>
        (await bench.order({ kind: 'container', image, command, warm: isWarm })).p50Ms;
      const { containers } = setting.scale;
      // The first of each finds cold caches, and that which is to be warm has nothing kept for it. What is kept ready is
      // made beside what runs: only then.
      for (let index = 0; index <= containers; index++) {
        cold.push(await byGrid(false));
        bare.push(await byHand(docker, image));
      }
      await byGrid(true);
      const waiting = await Shell.begin(docker, image);
      try {
        for (let index = 0; index <= containers; index++) {
          await untilKept(docker, bench.home);
          shell.push(await waiting.run());
          warm.push(await byGrid(true));
          next.push(await byGrid(true));
        }
      } finally {
        await waiting.remove();
      }
      for (const times of [cold, bare, warm, next, shell]) times.shift();
    } finally {
      await bench.stop();
    }
    const byDocker = { name: 'container.dockerode.p50', value: percentile(bare, 0.5) };
    return [
      comparedRow('container.grid.p50', percentile(cold, 0.5), 'ms', byDocker),
      row('container.grid.p99', percentile(cold, 0.99), 'ms'),
      comparedRow('container.warm.p50', percentile(warm, 0.5), 'ms', byDocker),
      row('container.warm.p99', percentile(warm, 0.99), 'ms'),
      row('container.next.p50', percentile(next, 0.5), 'ms'),
      row('container.shell.p50', percentile(shell, 0.5), 'ms'),
      row(byDocker.name, byDocker.value, 'ms'),
      row('container.dockerode.p99', percentile(bare, 0.99), 'ms'),
    ];
  },
};

/** As closed as the grid makes it. */
const closed = {
  NetworkDisabled: true,
  HostConfig: {
    NetworkMode: 'none',
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    PidsLimit: 512,
    Tmpfs: { '/tmp': 'rw,exec,nosuid,nodev,mode=1777,size=67108864' },
    Init: true,
  },
};

/** Starts, then waits: a wait before the start has been seen to hang. */
async function byHand(docker: Docker, image: string): Promise<number> {
  const begun = performance.now();
  const made = await docker.createContainer({ ...closed, Image: image, Cmd: command });
  await made.start();
  const { StatusCode: exitCode } = (await made.wait()) as { StatusCode: number };
  await made.remove();
  if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}`);
  return performance.now() - begun;
}

/** A container whose shell waits for commands, on a connection that was there before it started. */
class Shell {
  private readonly container: Docker.Container;
  private readonly connection: NodeJS.ReadWriteStream;

  private constructor(container: Docker.Container, connection: NodeJS.ReadWriteStream) {
    this.container = container;
    this.connection = connection;
  }

  static async begin(docker: Docker, image: string): Promise<Shell> {
    const Cmd = ['/bin/sh'];
    const container = await docker.createContainer({ ...closed, Image: image, Cmd, OpenStdin: true });
    const how = { stream: true, stdin: true, stdout: true, hijack: true };
    const shell = new Shell(container, await container.attach(how));
    await container.start();
    await shell.run();
    return shell;
  }

  /** The same command, until its exit code is here; in ms. */
  async run(): Promise<number> {
    const begun = performance.now();
    this.connection.write(`/bin/${command.join(' ')}; echo $?\n`);
    const [answer] = (await once(this.connection, 'data')) as [Buffer];
    if (!answer.toString().endsWith('0\n')) throw new Error(`${command.join(' ')} ended otherwise`);
    return performance.now() - begun;
  }

  async remove(): Promise<void> {
    this.connection.end();
    await this.container.remove({ force: true });
  }
}

/** Nobody tells. */
async function untilKept(docker: Docker, home: string): Promise<void> {
  const label = [`gryphgen.grid=${gridOf(loadMembership(home))}`, 'gryphgen.warm'];
  const filters = { label, status: ['running'] };
  for (;;) {
    const running = await docker.listContainers({ filters });
    const waiting = await Promise.all(running.map(({ Id }) => waits(docker.getContainer(Id))));
    const areKept = waiting.filter(Boolean).length >= kept;
    await new Promise((resolve) => setTimeout(resolve, areKept ? restMs : lookAgainMs));
    if (areKept) return;
  }
}

/** By the engine's log: its shell has answered, and has begun nothing. */
async function waits(container: Docker.Container): Promise<boolean> {
  try {
    const said = await container.logs({ stdout: true, stderr: false });
    return said.includes(' ready\n') && !said.includes(' begun\n');
  } catch (error) {
    const { statusCode } = error as { readonly statusCode?: number };
    // It has ended meanwhile, or is gone.
    if (statusCode === 404 || statusCode === 409) return false;
    throw error;
  }
}

async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}
