/** Durable no-op tasks a second, end to end, each acknowledged on its own; beside what disk and wire allow. */
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { commitFloor } from './floor-commit.ts';
import { echoFloor } from './floor-echo.ts';
import { comparedRow, row } from './row.ts';
import { median } from './statistics.ts';

export const tasks: Benchmark = {
  name: 'tasks',
  about: 'durable no-op tasks a second over three processes, beside its floors',
  async run(setting) {
    const { rounds, tasks: count, outstanding } = setting.scale;
    const rates: number[] = [];
    const p50s: number[] = [];
    const p99s: number[] = [];
    const commits: number[] = [];
    const echoes: number[] = [];
    const grid = await BenchGrid.start(setting, { workers: 1, clients: 1 });
    try {
      for (let round = 0; round < rounds; round++) {
        commits.push(await commitFloor(count, outstanding, grid.home));
        echoes.push(await echoFloor(count, outstanding));
        const { seconds, p50Ms, p99Ms } = await grid.burst(count);
        rates.push(count / seconds);
        p50s.push(p50Ms);
        p99s.push(p99Ms);
        setting.say(`tasks: round ${round + 1} of ${rounds}: ${Math.round(count / seconds)}/s`);
      }
    } finally {
      await grid.stop();
    }
    const typical = { name: 'tasks.median', value: median(rates) };
    return [
      row('tasks.best', Math.max(...rates), 'tasks/s'),
      row(typical.name, typical.value, 'tasks/s'),
      row('tasks.p50', median(p50s), 'ms'),
      row('tasks.p99', median(p99s), 'ms'),
      comparedRow('tasks.floor.fdatasync', median(commits), 'records/s', typical),
      comparedRow('tasks.floor.echo', median(echoes), 'messages/s', typical),
    ];
  },
};
