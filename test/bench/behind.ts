/** No-op tasks a second while very many others wait for the whole processor: what waits must cost nothing until it can run. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, row } from './row.ts';
import { median } from './statistics.ts';

const bodyBytes = 60;
const shapes = 100;

export const behind: Benchmark = {
  name: 'behind',
  about: `no-op tasks a second while others, of ${shapes} shapes, wait for the whole processor`,
  async run(setting) {
    const { rounds, tasks, queued } = setting.scale;
    const grid = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    const bursts = async (): Promise<number> => {
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) rates.push(tasks / (await grid.burst(tasks)).seconds);
      return median(rates);
    };
    try {
      const alone = { name: 'behind.none', value: await bursts() };
      setting.say(`behind: ${Math.round(alone.value)}/s; queueing ${queued} tasks`);
      const { seconds } = await grid.order({ kind: 'queue', tasks: queued, bodyBytes, shapes });
      return [
        row(alone.name, alone.value, 'tasks/s'),
        row('behind.accepted', queued / seconds, 'tasks/s'),
        comparedRow('behind.tasks', await bursts(), 'tasks/s', alone),
      ];
    } finally {
      await grid.stop();
    }
  },
};
