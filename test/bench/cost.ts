/** What a task costs the broker: CPU, bytes on its sockets, bytes handed to the disk. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { row } from './row.ts';

export const cost: Benchmark = {
  name: 'cost',
  about: 'broker CPU by thread, bytes on the wire and bytes written, for each task',
  async run(setting) {
    const { tasks, rounds } = setting.scale;
    const grid = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      const used = grid.brokerUse();
      const wire = grid.wireBytes();
      for (let round = 0; round < rounds; round++) await grid.burst(tasks);
      const now = grid.brokerUse();
      const each = (before: number, after: number) => (after - before) / (tasks * rounds);
      const threads = [...now.cpuUsByThread]
        .map(([name, us]) => row(`cost.cpu.${name}`, each(used.cpuUsByThread.get(name) ?? 0, us), 'µs/task'))
        .filter(({ value }) => value >= 0.01)
        .sort((a, b) => b.value - a.value);
      return [
        row('cost.cpu', each(used.cpuUs, now.cpuUs), 'µs/task'),
        ...threads,
        row('cost.wire', each(wire, grid.wireBytes()), 'B/task'),
        row('cost.written', each(used.writtenBytes, now.writtenBytes), 'B/task'),
      ];
    } finally {
      await grid.stop();
    }
  },
};
