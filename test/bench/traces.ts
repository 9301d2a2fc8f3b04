/**
 * Placement on a published trace: percent of the cluster's GPUs given out, by this grid's placement and by published policies, on the
 * published workloads and on those made of them (trace-lists.ts). The same numbers on any machine, but for `traces.seconds`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PolicyName, policyNames, replay } from '@gryphgen/scheduler';
import { readNodes, readTasks } from '../../packages/cli/src/traces/read-trace.ts';
import type { Benchmark } from './benchmark.ts';
import { type Row, row } from './row.ts';
import { madeLists, type TraceList } from './trace-lists.ts';

const folder = fileURLToPath(new URL('../../../shared/data/openb', import.meta.url));
const publishedNames = ['default', 'gpushare40', 'gpuspec10', 'multigpu20'];
const madeSeed = 1;
const ratio = 1.3;

export const traces: Benchmark = {
  name: 'traces',
  about: 'GPUs given out on a published trace and on lists made of it, by policies (20 minutes)',
  async run({ scale, say }) {
    if (!existsSync(folder)) {
      say(`  left out: there is no ${folder}`);
      return [];
    }
    const { nodes, lists, seeds } = scale.traces;
    const cluster = readNodes(join(folder, 'openb_node_list_gpu_node.csv')).rows.slice(0, nodes);
    const rows: Row[] = [];
    let slowest = 0;
    for (const { name, tasks } of allLists().slice(0, lists)) {
      const runs = (policy: PolicyName) =>
        seeds.map((seed) => {
          const began = performance.now();
          const result = replay({ nodes: cluster, tasks, policy, ratio, seed });
          if (policy === 'default') slowest = Math.max(slowest, performance.now() - began);
          return result;
        });
      const found = new Map(policyNames.map((policy) => [policy, runs(policy)]));
      const at = (policy: PolicyName, share: (run: ReturnType<typeof replay>) => number) =>
        meanOf((found.get(policy) ?? []).map(share));
      for (const policy of policyNames)
        rows.push(row(`traces.${name}.${policy}.130`, at(policy, atRatio), '%'));
      rows.push(row(`traces.${name}.ahead.100`, at('default', atAll) - at('fgd', atAll), 'points'));
      const ahead = at('default', atRatio) - at('fgd', atRatio);
      rows.push(row(`traces.${name}.ahead.130`, ahead, 'points'));
      say(`  ${name}: ${tasks.length} tasks, ${ahead.toFixed(2)} points ahead of fgd`);
    }
    return [...rows, row('traces.seconds', slowest / 1000, 's')];
  },
};

function allLists(): readonly TraceList[] {
  const published = publishedNames.map((name) => ({
    name,
    tasks: readTasks(join(folder, `openb_pod_list_${name}.csv`)).rows,
  }));
  const tasksOf = (wanted: string) => published.find(({ name }) => name === wanted)?.tasks ?? [];
  const made = madeLists(tasksOf('default'), tasksOf('gpuspec10'), madeSeed);
  return [...published, ...made.map(({ name, tasks }) => ({ name: `made.${name}`, tasks }))];
}

function atAll({ allocAt100 }: ReturnType<typeof replay>): number {
  return allocAt100 ?? 0;
}

function atRatio({ allocAtRatio }: ReturnType<typeof replay>): number {
  return allocAtRatio;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
