import { randomBytes } from 'node:crypto';
import { encodeBody } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { ContainerExecutor } from '@gryphgen/worker';
import Docker from 'dockerode';
import { executorSuite, type Place } from '../conformance/executor-suite.ts';

const docker = new Docker();
const owner = { grid: randomBytes(8).toString('hex'), worker: 'w-0123456789abcdef' };

function create({ events, logs }: Place): ContainerExecutor {
  return new ContainerExecutor({
    docker,
    events,
    owner,
    clock: systemClock,
    alarms: systemAlarms,
    log: createLog({ daemon: 'test', level: 'error' }),
    beginLog: ({ task, attempt }) => logs.begin(task, attempt),
    logBytes: 64 * 1024 * 1024,
  });
}

async function leftovers(): Promise<readonly string[]> {
  const found = await docker.listContainers({
    all: true,
    filters: { label: [`gryphgen.grid=${owner.grid}`] },
  });
  return found.map(({ Names }) => Names.join());
}

executorSuite({
  kind: 'container',
  create,
  leftovers,
  body: (command) => encodeBody({ image: 'gryphgen-test:latest', command }),
});
