/** The container executor against the Docker engine of this machine, under a grid name that nobody else has. */
import { randomBytes } from 'node:crypto';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { ContainerExecutor } from '@gryphgen/worker';
import Docker from 'dockerode';
import type { Place } from '../conformance/executor-suite.ts';

export const image = 'gryphgen-test:latest';
export const docker = new Docker();
export const owner = { grid: randomBytes(8).toString('hex'), worker: 'w-0123456789abcdef' };

export function createContainerExecutor({ events, logs }: Place, engine = docker): ContainerExecutor {
  return new ContainerExecutor({
    docker: engine,
    events,
    owner,
    clock: systemClock,
    alarms: systemAlarms,
    log: createLog({ daemon: 'test', level: 'error' }),
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    logBytes: 64 * 1024 * 1024,
  });
}

export async function leftovers(): Promise<readonly string[]> {
  const found = await docker.listContainers({
    all: true,
    filters: { label: [`gryphgen.grid=${owner.grid}`] },
  });
  return found.map(({ Names }) => Names.join());
}
