/** What a container runs, as the engine tells it, and when a command in it has ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { gridOf, loadMembership } from '@gryphgen/client';
import { connectEngine } from '@gryphgen/worker';
import type Docker from 'dockerode';

const docker = connectEngine();

/** The container of a running task of the grid in `home`. */
export async function containerOf(home: string, task: string): Promise<Docker.Container> {
  const ours = `gryphgen.grid=${gridOf(loadMembership(home))}`;
  const label = [ours, `gryphgen.task=${task.replace('t', '')}`];
  const [found] = await docker.listContainers({ filters: { label } });
  if (found === undefined) throw new Error(`${task} has no container that runs`);
  return docker.getContainer(found.Id);
}

async function commandsIn(container: Docker.Container): Promise<readonly string[]> {
  const { Processes } = (await container.top({ ps_args: '-o pid,args' })) as { Processes: string[][] };
  return Processes.map(([, args = '']) => args);
}

/** Resolves when no command in it is called so any more: looked for each time one has ended. */
export async function untilGone(container: Docker.Container, name: string): Promise<void> {
  const since = (Date.now() / 1000 - 1).toFixed(3);
  const filters = ['--filter', 'event=exec_die', '--filter', `container=${container.id}`];
  const events = spawn('docker', ['events', '--since', since, ...filters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    while ((await commandsIn(container)).some((args) => args.includes(name)))
      await once(events.stdout, 'data');
  } finally {
    await end(events);
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill();
  await once(child, 'exit');
}
