/** Submit to result: of one task alone, and of tasks that arrive at half the peak rate. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { row } from './row.ts';

export const latency: Benchmark = {
  name: 'latency',
  about: 'submit to result of one task alone, and at half the peak rate measured in the same run',
  async run(setting) {
    const { sequential, tasks, steadySeconds } = setting.scale;
    const grid = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      const alone = await grid.burst(sequential, 1);
      const peak = await grid.burst(tasks);
      const ratePerS = peak.tasks / peak.seconds / 2;
      const half = await grid.order({ kind: 'steady', ratePerS, seconds: steadySeconds });
      return [
        row('latency.alone.p50', alone.p50Ms, 'ms'),
        row('latency.alone.p99', alone.p99Ms, 'ms'),
        row('latency.half.rate', ratePerS, 'tasks/s'),
        row('latency.half.p50', half.p50Ms, 'ms'),
        row('latency.half.p99', half.p99Ms, 'ms'),
      ];
    } finally {
      await grid.stop();
    }
  },
};
