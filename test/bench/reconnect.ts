/** A broker that was killed under many workers, and how long they take to come back to its next life. */
import { setTimeout } from 'node:timers/promises';
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark, Setting } from './benchmark.ts';
import { comparedRow, type Row, row } from './row.ts';
import { median } from './statistics.ts';

/** Each worker has some of these when the broker is killed; each must succeed. */
const sleepMs = 1000;
const tasksEach = 4;
const heldEach = 2;

export const reconnect: Benchmark = {
  name: 'reconnect',
  about: 'seconds from the broker’s first word after a kill until all workers are back',
  async run(setting): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for (const workers of setting.scale.reconnecting) {
      const [name, seconds] = [`reconnect.${workers}`, await settle(setting, workers)];
      const [fewest] = rows;
      rows.push(fewest === undefined ? row(name, seconds, 's') : comparedRow(name, seconds, 's', fewest));
    }
    return rows;
  },
};

async function settle(setting: Setting, workers: number): Promise<number> {
  const grid = await BenchGrid.start(setting, { workers, clients: 1, bare: true });
  try {
    const seconds: number[] = [];
    for (let round = 0; round < setting.scale.rounds; round++) {
      const burst = grid.burst(tasksEach * workers, heldEach * workers, sleepMs);
      await setTimeout(sleepMs);
      const [took] = await Promise.all([grid.killBroker(), burst]);
      seconds.push(took);
      setting.say(`reconnect: ${workers} workers, round ${round + 1}: ${seconds[round]?.toFixed(2)} s`);
    }
    return median(seconds);
  } finally {
    await grid.stop();
  }
}
