/** The machines and people of one run, after the reference grid: unequal workers, two cards in one host. */
import type { Device, PrincipalLimits, PrincipalLimitTable, Quota, WorkerReport } from '@gryphgen/protocol';
import { principalIdOf } from '@gryphgen/runtime';
import type { SeededRandom } from './seeded-random.ts';
import { simIdentity } from './sim-identity.ts';

export interface WorkerShape {
  readonly name: string;
  readonly report: WorkerReport;
  /** Its version reads every stop as a cancel or a drop. */
  readonly knowsNoDrain: boolean;
}

export interface ClientShape {
  readonly name: string;
  /** Two clients may act for one principal: then they share its keys. */
  readonly identity: string;
}

export interface GridShape {
  readonly workers: readonly WorkerShape[];
  readonly clients: readonly ClientShape[];
  /** By identity. */
  readonly limited: Readonly<Record<string, PrincipalLimits>>;
  /** Scale of clock drift, 0..1. */
  readonly drift: number;
}

const MiB = 1024 ** 2;

export function planGrid(random: SeededRandom): GridShape {
  const workers = Array.from({ length: random.int(1, 4) }, (_, index) => worker(random, index + 1));
  const clients = Array.from({ length: random.int(1, 3) }, (_, index) => {
    const name = `c${index + 1}`;
    return { name, identity: index > 0 && random.chance(0.4) ? 'c1' : name };
  });
  const drift = random.pick([0, 0.1, 1]);
  const names = new Set(clients.map(({ identity }) => identity));
  const limited: Record<string, PrincipalLimits> = {};
  for (const name of names) {
    const own = random.split(`limits of ${name}`);
    if (own.chance(0.4)) limited[name] = principalLimits(own);
  }
  return { workers, clients, limited, drift };
}

function principalLimits(random: SeededRandom): PrincipalLimits {
  return {
    ...(random.chance(0.4) && { weight: random.pick([0.5, 3]) }),
    ...(random.chance(0.7) && { running: random.pick([1, 2, 4]) }),
    ...(random.chance(0.3) && { queued: random.pick([1, 3, 10]) }),
    ...(random.chance(0.3) && { submitsPerSecond: random.pick([0.2, 5]), submitBurst: random.pick([1, 5]) }),
    ...(random.chance(0.3) && { bodiesBytes: random.pick([20, 60]) }),
    ...(random.split('quota').chance(0.5) && { quota: quota(random.split('quota of')) }),
  };
}

function quota(random: SeededRandom): Quota {
  return {
    ...(random.chance(0.6) && { cpuMilli: random.pick([1000, 2500, 5000]) }),
    ...(random.chance(0.4) && { memoryBytes: random.pick([1024, 5000]) * MiB }),
    ...(random.chance(0.4) && { vramBytes: random.pick([5000, 13_000]) * MiB }),
    ...(random.chance(0.3) && { devices: random.pick([0, 1]) }),
  };
}

/** As an operator would have set them. */
export function limitTableOf({ limited }: GridShape): PrincipalLimitTable {
  const named = Object.entries(limited).map(
    ([name, limits]) => [principalIdOf(simIdentity(name).key), limits] as const,
  );
  return { everybody: {}, named: new Map(named) };
}

function worker(random: SeededRandom, no: number): WorkerShape {
  const name = `w${no}`;
  const cpuMilli = random.pick([2000, 4000, 8000]);
  const report: WorkerReport = {
    name,
    capabilities: ['container', 'process', 'noop'],
    labels: {},
    cpuMilli,
    memoryBytes: random.pick([4096, 8192, 16_384]) * MiB,
    diskBytes: 100_000 * MiB,
    // The first worker is the reference machine, so that most requests can be placed somewhere.
    devices: no === 1 || random.chance(0.4) ? devices(name, no === 1 ? 2 : random.int(1, 2)) : [],
    images: [],
    slots: random.pick([2, 4, 16]),
    speed: random.pick([0, 0.5, 1]),
    dataEndpoint: '',
    dataKey: '',
    version: '0.1.0',
  };
  const knowsNoDrain = random.chance(0.15);
  if (no > 1) return { name, report, knowsNoDrain };
  return { name, report: { ...report, cpuMilli: 8000, memoryBytes: 16_384 * MiB }, knowsNoDrain };
}

function devices(worker: string, count: number): Device[] {
  const cards = [
    ['NVIDIA GeForce RTX 3060', 12_288, 86],
    ['NVIDIA GeForce GTX 1060 6GB', 6064, 61],
  ] as const;
  return cards.slice(0, count).map(([name, mib, computeCapability], index) => ({
    uuid: `GPU-${worker}-${index}` as Device['uuid'],
    index,
    name,
    vramBytes: mib * MiB,
    computeCapability,
    driver: '550.00',
    foreignBytes: 0,
  }));
}
