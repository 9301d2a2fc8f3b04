/** A container task, submit to result, cold and warm, against the same container made through dockerode by hand. */
import { execFileSync } from 'node:child_process';
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

export const container: Benchmark = {
  name: 'container',
  about: 'a container task, submit to result, cold in turns with bare dockerode, then warm',
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
      for (let index = 0; index <= containers; index++) {
        await untilKept(docker, bench.home);
        warm.push(await byGrid(true));
      }
      for (const times of [cold, bare, warm]) times.shift();
    } finally {
      await bench.stop();
    }
    const byDocker = { name: 'container.dockerode.p50', value: percentile(bare, 0.5) };
    return [
      comparedRow('container.grid.p50', percentile(cold, 0.5), 'ms', byDocker),
      row('container.grid.p99', percentile(cold, 0.99), 'ms'),
      comparedRow('container.warm.p50', percentile(warm, 0.5), 'ms', byDocker),
      row('container.warm.p99', percentile(warm, 0.99), 'ms'),
      row(byDocker.name, byDocker.value, 'ms'),
      row('container.dockerode.p99', percentile(bare, 0.99), 'ms'),
    ];
  },
};

/** As closed as the grid makes it. Starts, then waits: a wait before the start has been seen to hang. */
async function byHand(docker: Docker, image: string): Promise<number> {
  const begun = performance.now();
  const made = await docker.createContainer({
    Image: image,
    Cmd: command,
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
  });
  await made.start();
  const { StatusCode: exitCode } = (await made.wait()) as { StatusCode: number };
  await made.remove();
  if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}`);
  return performance.now() - begun;
}

async function untilKept(docker: Docker, home: string): Promise<void> {
  const label = [`gryphgen.grid=${gridOf(loadMembership(home))}`, 'gryphgen.warm'];
  const filters = { label, status: ['running'] };
  while ((await docker.listContainers({ filters })).length < kept)
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
}

async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}
