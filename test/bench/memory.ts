/** What a waiting task costs the broker's memory: tasks with a body of their own, and no worker to take them. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { row } from './row.ts';

/** As a short command line takes. */
const bodyBytes = 60;

export const memory: Benchmark = {
  name: 'memory',
  about: `memory of each waiting task, with a body of ${bodyBytes} bytes that no other task has`,
  async run(setting) {
    const { queued } = setting.scale;
    const grid = await BenchGrid.start(setting, { workers: 0, clients: 1 });
    try {
      const before = await grid.brokerMemory();
      setting.say(`memory: queueing ${queued} tasks`);
      const { seconds } = await grid.order({ kind: 'queue', tasks: queued, bodyBytes });
      const after = await grid.brokerMemory();
      return [
        row('memory.resident', (after.rss - before.rss) / queued, 'B/task'),
        row('memory.heap', (after.heapUsed - before.heapUsed) / queued, 'B/task'),
        row('memory.buffers', (after.arrayBuffers - before.arrayBuffers) / queued, 'B/task'),
        row('memory.accepted', queued / seconds, 'tasks/s'),
      ];
    } finally {
      await grid.stop();
    }
  },
};
