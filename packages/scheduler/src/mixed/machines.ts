/**
 * The grids of the benchmark of mixed workloads: what each machine says of itself, and what it is. Sizes and speeds were
 * chosen once, before anything was measured on them; nothing is to be tuned here.
 */
import type { Device, DeviceUuid, WorkerId, WorkerReport } from '@gryphgen/protocol';
import type { SeededRandom } from '../seeded-random.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

export interface Machine {
  readonly id: WorkerId;
  readonly report: WorkerReport;
  /** Of one thread, 1 = the reference machine. What it says of itself is near, where it says anything. */
  readonly speed: number;
  readonly pullBytesPerMs: number;
}

/** How much longer than on an RTX 3060 a task on such a device takes. */
export const deviceSlowness: Readonly<Record<string, number>> = { 'RTX 3060': 1, 'GTX 1060': 2.6 };

const cards = {
  'RTX 3060': { vramBytes: 12_288 * MiB, computeCapability: 86 },
  'GTX 1060': { vramBytes: 6064 * MiB, computeCapability: 61 },
} as const;
type Card = keyof typeof cards;

interface Box {
  readonly threads: number;
  readonly memoryGiB: number;
  readonly speed: number;
  readonly mbPerS: number;
  readonly cards?: readonly Card[];
}

const forge: Box = { threads: 32, memoryGiB: 128, speed: 1, mbPerS: 100, cards: ['RTX 3060', 'GTX 1060'] };

const grids = {
  /** The reference machine and lesser boxes beside it. */
  reference: [
    forge,
    { threads: 8, memoryGiB: 32, speed: 0.7, mbPerS: 50, cards: ['GTX 1060'] },
    { threads: 8, memoryGiB: 16, speed: 0.5, mbPerS: 50 },
    { threads: 4, memoryGiB: 8, speed: 0.35, mbPerS: 20 },
    { threads: 4, memoryGiB: 8, speed: 0.25, mbPerS: 10 },
  ],
  /** Equal machines: there is little to learn. */
  even: Array.from({ length: 8 }, (_, at) => ({
    threads: 8,
    memoryGiB: 32,
    speed: 1,
    mbPerS: 50,
    cards: at < 3 ? (['RTX 3060'] as const) : [],
  })),
  /** One far ahead of many small ones. */
  steep: [
    { threads: 16, memoryGiB: 64, speed: 1.6, mbPerS: 100, cards: ['RTX 3060', 'RTX 3060'] as const },
    ...Array.from({ length: 10 }, (_, at) => ({
      threads: 4,
      memoryGiB: 8,
      speed: 0.25 + 0.05 * at,
      mbPerS: 20,
      cards: at % 3 === 0 ? (['GTX 1060'] as const) : [],
    })),
  ],
  /** Machines that look alike, say nothing of their speed, and differ sixfold. */
  hidden: Array.from({ length: 10 }, (_, at) => ({
    threads: 8,
    memoryGiB: 32,
    speed: [1.2, 0.2, 0.9, 0.4, 1, 0.3, 0.7, 0.25, 0.8, 0.5][at] as number,
    mbPerS: 50,
    cards: at % 3 === 0 ? (['RTX 3060'] as const) : at % 3 === 1 ? (['GTX 1060'] as const) : [],
  })),
} satisfies Readonly<Record<string, readonly Box[]>>;

export type GridName = keyof typeof grids;
export const gridNames = Object.keys(grids) as readonly GridName[];

export function machinesOf(grid: GridName, random: SeededRandom): readonly Machine[] {
  return grids[grid].map((box: Box, at) => {
    const name = `${grid}-${String(at).padStart(2, '0')}`;
    const said = grid === 'hidden' ? 0 : box.speed * Math.exp(0.1 * random.between(-1, 1));
    return {
      id: `w-${name}` as WorkerId,
      report: reportOf(name, box, said),
      speed: box.speed,
      pullBytesPerMs: box.mbPerS * 1000,
    };
  });
}

function reportOf(name: string, box: Box, speed: number): WorkerReport {
  return {
    name,
    capabilities: ['container', 'process'],
    labels: {},
    cpuMilli: box.threads * 1000,
    memoryBytes: box.memoryGiB * GiB,
    diskBytes: 1024 * GiB,
    devices: (box.cards ?? []).map((card, index) => deviceOf(name, card, index)),
    images: [],
    slots: 64,
    speed,
    dataEndpoint: '',
    dataKey: '',
    version: '',
  };
}

function deviceOf(name: string, card: Card, index: number): Device {
  const uuid = `${name}/gpu-${index}` as DeviceUuid;
  return { uuid, index, name: card, driver: '', foreignBytes: 0, ...cards[card] };
}
