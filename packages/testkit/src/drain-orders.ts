/** Orders to drain and resume machines, at once and ahead. */
import type { GridShape } from './grid-shape.ts';
import { type Operation, workloadMs } from './operation.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A machine is drained, and later resumed; or removed. */
export function drains(random: SeededRandom, grid: GridShape): Operation[] {
  const worker = random.pick(grid.workers).name;
  const at = random.between(1000, 0.8 * workloadMs);
  if (random.chance(0.15)) return [{ at, kind: 'remove', client: 'admin', worker }];
  const orders: Operation[] = [
    { at, kind: 'drain', client: 'admin', worker, draining: true, ...deadline(random) },
  ];
  // Again with another deadline, or without one: the last counts.
  if (random.chance(0.3)) {
    const again = at + random.between(10, 8000);
    orders.push({ at: again, kind: 'drain', client: 'admin', worker, draining: true, ...deadline(random) });
  }
  const resumed = at + random.pick([200, 15_000, 40_000]) * random.between(0.5, 1.5);
  return [...orders, { at: resumed, kind: 'drain', client: 'admin', worker, draining: false }];
}

/** One machine after the other is emptied at once, and soon takes tasks again: whatever is leased meets a stop. */
export function maintenance(random: SeededRandom, grid: GridShape): Operation[] {
  const orders: Operation[] = [];
  let at = random.pick([500, 2000, 20_000]);
  for (let round = random.int(4, 12); round > 0 && at < workloadMs; round -= 1) {
    const order = { kind: 'drain', client: 'admin', worker: random.pick(grid.workers).name } as const;
    orders.push({ ...order, at, draining: true, deadlineMs: 0 });
    at += random.pick([600, 2500, 10_000]) * random.next();
    orders.push({ ...order, at, draining: false });
    at += random.between(0, 3000);
  }
  return orders;
}

/** Drains that are planned ahead, some soon, some of one machine at once, and now and then a resume amid them. */
export function windows(random: SeededRandom, grid: GridShape): Operation[] {
  const orders: Operation[] = [];
  for (let n = random.int(1, 4); n > 0; n -= 1) {
    const worker = random.pick(grid.workers).name;
    const at = random.between(300, 0.6 * workloadMs);
    const inMs = Math.round(random.pick([0, 2000, 10_000, 25_000]) * random.between(0.5, 1.5));
    const forMs = Math.round(random.pick([500, 3000, 15_000]) * random.between(0.5, 1.5));
    const length = random.chance(0.9) ? { forMs } : {};
    const order = { kind: 'plan', client: 'admin', worker, window: `window0${n}`, inMs, ...length } as const;
    orders.push({ ...order, at, ...deadline(random) });
    if (random.chance(0.3)) {
      const resumed = at + random.between(0, 20_000);
      orders.push({ at: resumed, kind: 'drain', client: 'admin', worker, draining: false });
    }
  }
  return orders;
}

function deadline(random: SeededRandom): { readonly deadlineMs?: number } {
  return random.chance(0.2) ? {} : { deadlineMs: random.pick([0, 0, 100, 1000, 5000, 12_000]) };
}
