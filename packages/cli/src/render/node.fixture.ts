/** A machine as the broker tells of it. */
import type { Device, NodeDocument, WorkerReport } from '@gryphgen/protocol';

const GiB = 1024 ** 3;

export const card: Device = {
  uuid: 'GPU-1' as never,
  index: 0,
  name: 'GeForce GTX 1060 6GB',
  vramBytes: 6064 * 1024 ** 2,
  computeCapability: 61,
  driver: '550',
  foreignBytes: 0,
};

export const report: WorkerReport = {
  name: 'forge',
  capabilities: ['container'],
  labels: { rack: 'a' },
  cpuMilli: 32_000,
  memoryBytes: 128 * GiB,
  diskBytes: 100 * GiB,
  devices: [card],
  images: [],
  slots: 16,
  speed: 1,
  dataEndpoint: '',
  dataKey: '',
  version: '0.1.0',
};

export const node: NodeDocument = {
  id: 'w-1',
  name: 'forge',
  state: 'ready',
  report,
  reserved: {
    cpuMilli: 1500,
    memoryBytes: GiB,
    diskBytes: 0,
    attempts: 1,
    devices: [{ uuid: 'GPU-1', vramBytes: 5 * GiB, holders: 1 }],
  },
  tasks: ['t42'],
  ghosts: 0,
};
