/** What a task costs: CPU of each process, bytes on the broker's sockets, bytes it handed to the disk. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { row } from './row.ts';

export const cost: Benchmark = {
  name: 'cost',
  about: 'CPU, bytes on the wire and bytes written, for each task',
  async run(setting) {
    const { tasks, rounds } = setting.scale;
    const grid = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      const used = grid.use();
      const wire = grid.wireBytes();
      for (let round = 0; round < rounds; round++) await grid.burst(tasks);
      const now = grid.use();
      const each = (before: number, after: number) => (after - before) / (tasks * rounds);
      const threads = [...now.broker.cpuUsByThread]
        .map(([name, us]) =>
          row(`cost.broker.${name}`, each(used.broker.cpuUsByThread.get(name) ?? 0, us), 'µs/task'),
        )
        .filter(({ value }) => value >= 0.01)
        .sort((a, b) => b.value - a.value);
      return [
        row('cost.broker', each(used.broker.cpuUs, now.broker.cpuUs), 'µs/task'),
        ...threads,
        row('cost.worker', each(used.worker.cpuUs, now.worker.cpuUs), 'µs/task'),
        row('cost.client', each(used.client.cpuUs, now.client.cpuUs), 'µs/task'),
        row('cost.wire', each(wire, grid.wireBytes()), 'B/task'),
        row('cost.written', each(used.broker.writtenBytes, now.broker.writtenBytes), 'B/task'),
      ];
    } finally {
      await grid.stop();
    }
  },
};
