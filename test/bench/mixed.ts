/**
 * Mixed workloads on simulated grids (scheduler/src/mixed): mean and p99 completion under this grid's placement, which
 * learns what runs take, against policies that do not and against perfect knowledge. The same numbers on any machine.
 */
import {
  completionsOf,
  gridNames,
  type MixedCell,
  type MixedPolicyName,
  runsUntilNoticed,
} from '@gryphgen/scheduler';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, type Row, row } from './row.ts';
import { percentile } from './statistics.ts';

const others = ['round-robin', 'least-loaded', 'bin-packing'] as const satisfies readonly MixedPolicyName[];
const timesSlower = 4;

export const mixed: Benchmark = {
  name: 'mixed',
  about: 'completion of mixed workloads on simulated grids, against other policies',
  async run({ scale, say }) {
    const { grids, loads, seeds, taught, measured } = scale.mixed;
    const rows: Row[] = [];
    for (const grid of gridNames.slice(0, grids)) {
      for (const load of loads) {
        say(`  ${grid}, load ${load}`);
        rows.push(...rowsOf(`mixed.${grid}.${load * 100}`, seeds, { grid, load, taught, measured }));
      }
      const noticed = seeds.map((seed) =>
        runsUntilNoticed({ grid, load: loads[0] ?? 0.5, seed, taught, measured }, timesSlower),
      );
      rows.push(row(`mixed.${grid}.slowdown-noticed`, Math.max(...noticed), 'runs'));
    }
    return rows;
  },
};

function rowsOf(name: string, seeds: readonly number[], cell: Omit<MixedCell, 'seed'>): Row[] {
  const means = (policy: MixedPolicyName): readonly [mean: number, p99: number] => {
    const seen = seeds.map((seed) => completionsOf({ ...cell, seed }, policy).map(({ ms }) => ms / 1000));
    const average = (of: (ms: readonly number[]) => number) =>
      seen.reduce((sum, ms) => sum + of(ms), 0) / seeds.length;
    return [
      average((ms) => ms.reduce((sum, each) => sum + each, 0) / ms.length),
      average((ms) => percentile(ms, 0.99)),
    ];
  };
  const own = means('learned');
  const rivals = [...others, 'perfect-knowledge' as const].map((policy) => [policy, means(policy)] as const);
  return rivals.flatMap(([policy, rival]) => [
    comparedRow(`${name}.mean`, own[0], 's', { name: policy, value: rival[0] }),
    comparedRow(`${name}.p99`, own[1], 's', { name: policy, value: rival[1] }),
  ]);
}
