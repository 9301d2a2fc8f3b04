/** A container task, submit to result, against the same container made through dockerode by hand. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, row } from './row.ts';
import { percentile } from './statistics.ts';

const makeImage = fileURLToPath(new URL('../../scripts/make-test-image.sh', import.meta.url));
const command = ['true'];

export const container: Benchmark = {
  name: 'container',
  about: 'a container task, submit to result, against bare dockerode, one by one in turns',
  async run(setting) {
    const docker = new Docker();
    if (!(await answers(docker))) {
      setting.say('container: left out, because no Docker engine answers');
      return [];
    }
    const image = execFileSync(makeImage, { encoding: 'utf8' }).trim().split('\n').at(-1) as string;
    const bare: number[] = [];
    const grid: number[] = [];
    const bench = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      const pair = async () => {
        grid.push((await bench.order({ kind: 'container', image, command })).p50Ms);
        bare.push(await byHand(docker, image));
      };
      await pair();
      // The first of each finds cold caches.
      grid.pop();
      bare.pop();
      for (let index = 0; index < setting.scale.containers; index++) await pair();
    } finally {
      await bench.stop();
    }
    const byDocker = { name: 'container.dockerode.p50', value: percentile(bare, 0.5) };
    return [
      comparedRow('container.grid.p50', percentile(grid, 0.5), 'ms', byDocker),
      row('container.grid.p99', percentile(grid, 0.99), 'ms'),
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

async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}
