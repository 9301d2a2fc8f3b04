/** Workers that only run no-ops, many in one process: `workers.ts HOME ENDPOINT COUNT`. */
import type { WorkerReport } from '@gryphgen/protocol';
import {
  createLog,
  gridIdOf,
  Link,
  loadIdentity,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';

const [home = '', endpoint = '', count = '1'] = process.argv.slice(2);
const broker = loadIdentity(home, 'broker');
const none = new Uint8Array(0);

process.on('SIGTERM', () => process.exit());
for (let index = 0; index < Number(count); index++) run(index);

function run(index: number): void {
  let heartbeats = 0;
  const link = new Link(
    {
      brokers: [{ endpoint, curveKey: broker.curve.publicKey }],
      grid: gridIdOf(broker.key),
      identity: loadIdentity(home, `worker-${index}`),
      role: 'worker',
      direction: 'toWorker',
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: createLog({ daemon: 'worker', level: 'warn' }),
    },
    {
      hello: () => ({
        kind: 'worker',
        boot: String(process.pid),
        report: reportOf(index),
        attempts: [],
        head: null,
      }),
      onOpen: () => {
        heartbeats = 0;
      },
      onMessage: (message) => {
        if (message.kind !== 'lease') return;
        const { task, attempt, epoch } = message;
        link.send({
          kind: 'result',
          task,
          attempt,
          epoch,
          exitCode: 0,
          failure: null,
          ranMs: 0,
          outcome: none,
        });
      },
      onClosed: () => undefined,
      onRefused: (failure) => {
        throw new Error(failure.message);
      },
    },
  );
  link.start();
  setInterval(() => link.send({ kind: 'heartbeat', seq: ++heartbeats, attempts: [] }), 2000);
}

function reportOf(index: number): WorkerReport {
  return {
    name: `worker-${index}`,
    capabilities: ['noop'],
    labels: {},
    cpuMilli: 4000,
    memoryBytes: 16e9,
    diskBytes: 16e9,
    devices: [],
    images: [],
    slots: 1024,
    speed: 1,
    dataEndpoint: '',
    dataKey: '',
    version: '',
  };
}
