/** The container executor against the Docker engine of this machine, under a grid name that nobody else has. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createLog, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import {
  ContainerExecutor,
  type ContainerExecutorOptions,
  ContainerNotes,
  type ContainerPolicy,
  connectEngine,
  defaultPolicy,
  defaultWarmLimits,
  type ExecutorEvents,
  HostPolicy,
  ImageStore,
  type ImageStoreOptions,
  noFiles,
} from '@gryphgen/worker';
import type { Place } from '../conformance/executor-suite.ts';

export const image = 'gryphgen-test:latest';
export const docker = connectEngine();
export const owner = { grid: randomBytes(8).toString('hex'), worker: 'w-0123456789abcdef' };

export function createContainerExecutor(
  { events, logs, folder }: Omit<Place, 'events'> & { readonly events: ExecutorEvents },
  engine = docker,
  notes = join(folder, 'containers'),
  policy: ContainerPolicy = defaultPolicy,
  images: Partial<ImageStoreOptions> = {},
  over: Partial<ContainerExecutorOptions> = {},
): ContainerExecutor {
  const log = createLog({ daemon: 'test', level: 'error' });
  return new ContainerExecutor({
    docker: engine,
    events,
    owner,
    clock: systemClock,
    alarms: systemAlarms,
    log,
    files: noFiles,
    notes: new ContainerNotes(notes, { alarms: systemAlarms, log }),
    images: createImageStore(folder, { docker: engine, ...images }),
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    retellLog: ({ task, attempt }) => logs.retell(task, attempt),
    policy: new HostPolicy({ policy, home: join(folder, 'home'), sockets: ['/var/run/docker.sock'], log }),
    logBytes: 64 * 1024 * 1024,
    random: systemRandom,
    warmLimits: defaultWarmLimits,
    ...over,
  });
}

/** `folder`: as `$GRID_HOME/worker`. */
export function createImageStore(folder: string, over: Partial<ImageStoreOptions> = {}): ImageStore {
  const log = createLog({ daemon: 'test', level: 'error' });
  return new ImageStore({
    docker,
    clock: systemClock,
    alarms: systemAlarms,
    log,
    folder,
    settings: {},
    ...over,
  });
}

export async function leftovers(): Promise<readonly string[]> {
  const found = await docker.listContainers({
    all: true,
    filters: { label: [`gryphgen.grid=${owner.grid}`] },
  });
  return found.map(({ Names }) => Names.join());
}
