/**
 * What goes wrong in one run, and when. Each run draws which kinds of fault it has at all (some bugs show only where
 * nothing else goes wrong), then how many and when. All are over by `faultsEndMs`; then the grid must recover.
 */
import type { GridShape } from './grid-shape.ts';
import { messageKinds } from './message-line.ts';
import type { Operation } from './operation.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { DiskFault } from './sim-disk.ts';
import type { LinkFault, Mishap, PartitionKind } from './sim-network.ts';

export type Ways = 'both' | 'toBroker' | 'fromBroker';

export type Fault =
  /** Strikes `boundaries` effects after `at`, or a second later if there are none; comes back after `downMs`. */
  | {
      readonly at: number;
      readonly kind: 'crash';
      readonly node: string;
      readonly boundaries: number;
      readonly downMs: number;
      /** The first lease after its return is late: what overtakes it comes first. */
      readonly lateLease: boolean;
    }
  | {
      readonly at: number;
      readonly kind: 'pause';
      readonly node: string;
      readonly boundaries: number;
      readonly forMs: number;
    }
  | { readonly at: number; readonly kind: 'wallJump'; readonly node: string; readonly byMs: number }
  | {
      readonly at: number;
      readonly kind: 'link';
      readonly peer: string;
      readonly ways: Ways;
      readonly fault: LinkFault;
      readonly forMs: number;
    }
  | {
      readonly at: number;
      readonly kind: 'partition';
      readonly peer: string;
      readonly ways: Ways;
      readonly mode: PartitionKind;
      readonly forMs: number;
    }
  /** The connection breaks and is made anew; what was under way is lost. */
  | { readonly at: number; readonly kind: 'cut'; readonly peer: string }
  | { readonly at: number; readonly kind: 'disk'; readonly fault: DiskFault; readonly forMs: number }
  /** Befalls the next message of this kind. */
  | {
      readonly at: number;
      readonly kind: 'ambush';
      readonly message: string;
      readonly mishap: Mishap;
      readonly forMs: number;
    }
  /** A stranger repeats frames that it has somehow seen. */
  | { readonly at: number; readonly kind: 'forge'; readonly frames: number }
  | { readonly at: number; readonly kind: 'compact' };

export const faultsEndMs = 75_000;
type FaultKind = Fault['kind'];
const kinds: readonly FaultKind[] = [
  'crash',
  'pause',
  'wallJump',
  'link',
  'partition',
  'cut',
  'disk',
  'ambush',
  'forge',
  'compact',
];

/** `lossless`: connections may break, but lose nothing while they last. */
export function planFaults(
  random: SeededRandom,
  grid: GridShape,
  operations: readonly Operation[],
  lossless: boolean,
): Fault[] {
  const on = kinds.filter((kind) => random.chance(kind === 'compact' ? 0.7 : 0.4));
  const faults: Fault[] = [];
  const busy = random.pick([2, 5, 12]);
  for (const kind of on) {
    const from = random.split(kind);
    for (let n = from.int(1, busy); n > 0; n -= 1) {
      const fault = makeFault(from, grid, kind);
      faults.push(lossless ? withoutLoss(fault) : fault);
    }
  }
  if (random.chance(0.3)) faults.push(...crashesAtDrains(random.split('drains'), operations));
  return faults.sort((a, b) => a.at - b.at);
}

/** Workers die as they are drained: their next life finds what is to end before anybody could confirm it. */
function crashesAtDrains(random: SeededRandom, operations: readonly Operation[]): Fault[] {
  return operations.flatMap((operation): Fault[] => {
    if (operation.kind !== 'drain' || !operation.draining || random.chance(0.5)) return [];
    const at = Math.max(100, operation.at + random.between(-500, 500));
    const boundaries = random.int(0, 5);
    return [{ at, kind: 'crash', node: operation.worker, boundaries, downMs: 200, lateLease: true }];
  });
}

function makeFault(random: SeededRandom, grid: GridShape, kind: FaultKind): Fault {
  const at = random.between(100, 0.8 * faultsEndMs);
  const forMs = Math.min(
    faultsEndMs - at,
    random.pick([500, 3000, 10_000, 18_000, 25_000, 40_000]) * random.between(0.5, 1.5),
  );
  const peers = [...grid.workers, ...grid.clients].map(({ name }) => name);
  const workers = grid.workers.map(({ name }) => name);
  const node = random.weighted([
    [4, 'broker'],
    [4, random.pick(workers)],
    [1, random.pick(grid.clients).name],
  ]);
  const peer = random.chance(0.7) ? random.pick(workers) : random.pick(peers);
  const ways = random.weighted<Ways>([
    [4, 'both'],
    [3, 'toBroker'],
    [3, 'fromBroker'],
  ]);
  const boundaries = random.int(0, 30);
  switch (kind) {
    case 'crash':
      return {
        at,
        kind,
        node,
        boundaries,
        downMs: Math.min(forMs, random.pick([10, 500, 5000, 30_000])),
        lateLease: random.chance(0.3),
      };
    case 'pause':
      return { at, kind, node, boundaries, forMs };
    case 'wallJump':
      return { at, kind, node, byMs: random.pick([-1, 1]) * random.pick([5000, 3_600_000, 30 * 3_600_000]) };
    case 'link':
      return { at, kind, peer, ways, fault: linkFault(random), forMs };
    case 'partition':
      return { at, kind, peer, ways, mode: random.pick(['lose', 'hold'] as const), forMs };
    case 'cut':
      return { at, kind, peer };
    case 'disk': {
      const fault = random.weighted<DiskFault>([
        [4, 'slow'],
        [3, 'full'],
        [1, 'io'],
      ]);
      return { at, kind, fault, forMs: Math.min(forMs, fault === 'io' ? 1000 : 15_000) };
    }
    case 'ambush': {
      const mishap = random.pick(mishaps);
      return { at, kind, message: random.pick(ambushed), mishap, forMs: Math.min(forMs, 8000) };
    }
    case 'forge':
      return { at, kind, frames: random.int(1, 20) };
    case 'compact':
      return { at, kind };
  }
}

/** Kinds that few runs send meet their faults only when looked for more often. */
const rare = ['refusal', 'refusal', 'changed', 'refused', 'watch', 'welcome', 'credit'] as const;
const ambushed = [...messageKinds, ...rare];

const mishaps: readonly Mishap[] = ['drop', 'duplicate', 'delay', 'reorder', 'partition', 'cut', 'crash'];

function withoutLoss(fault: Fault): Fault {
  if (fault.kind === 'ambush' && (fault.mishap === 'drop' || fault.mishap === 'partition')) {
    return { ...fault, mishap: 'cut' };
  }
  if (fault.kind === 'link') return { ...fault, fault: { ...fault.fault, drop: 0 } };
  return fault.kind === 'partition' ? { ...fault, mode: 'hold' } : fault;
}

function linkFault(random: SeededRandom): LinkFault {
  const some = (): number => (random.chance(0.6) ? random.pick([0.02, 0.1, 0.3]) : 0);
  const slowMs = random.pick([20, 500, 3000, 12_000]);
  return { drop: some(), duplicate: some(), delay: some(), slowMs, reorder: some() };
}
