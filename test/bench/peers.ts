/** Many workers and many clients, each with a session and small frames of its own. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, row } from './row.ts';
import { median } from './statistics.ts';

export const peers: Benchmark = {
  name: 'peers',
  about: 'tasks a second with many workers and clients, against one of each in the same run',
  async run(setting) {
    const { rounds, tasks, peers: count } = setting.scale;
    const rates: Record<'many' | 'single', number[]> = { many: [], single: [] };
    const many = await BenchGrid.start(setting, { workers: count, clients: count });
    try {
      const single = await BenchGrid.start(setting, { workers: 1, clients: 1 });
      try {
        for (let round = 0; round < rounds; round++) {
          rates.single.push(tasks / (await single.burst(tasks)).seconds);
          rates.many.push(tasks / (await many.burst(tasks)).seconds);
          setting.say(`peers: round ${round + 1} of ${rounds}: ${Math.round(rates.many[round] ?? 0)}/s`);
        }
      } finally {
        await single.stop();
      }
    } finally {
      await many.stop();
    }
    const alone = { name: 'peers.1+1', value: median(rates.single) };
    return [
      comparedRow(`peers.${count}+${count}`, median(rates.many), 'tasks/s', alone),
      row(alone.name, alone.value, 'tasks/s'),
    ];
  },
};
