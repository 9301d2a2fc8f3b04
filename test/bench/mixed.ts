/**
 * Mixed workloads on simulated grids (scheduler/src/mixed): mean and p99 completion under this grid's placement, which
 * learns what runs take, against policies that do not and against perfect knowledge. The same numbers on any machine.
 */
import {
  completedFrom,
  completionsOf,
  type GridName,
  gridNames,
  type MixedCell,
  type MixedPolicyName,
  machinesOf,
  runsUntilNoticed,
  SeededRandom,
} from '@gryphgen/scheduler';
import type { Benchmark } from './benchmark.ts';
import { learningRows } from './learning-curve.ts';
import { comparedRow, type Row, row } from './row.ts';
import type { Scale } from './scale.ts';
import { percentile } from './statistics.ts';

const others = ['round-robin', 'least-loaded', 'bin-packing'] as const satisfies readonly MixedPolicyName[];
const timesSlower = 4;
/** Runs within which it is to be noticed: who ran fewer and was not noticed is left out. */
const toldWithin = 20;
/** Tasks of which the regret is told together, and how many of them from the first on. */
const atOnce = 100;
const untilTold = 800;
/** By then the regret is to have halved. */
const untilLearned = 200;

/** Regrets, each of the tasks from the same one on: how much longer they took than with perfect knowledge. */
type Regrets = number[][];

export const mixed: Benchmark = {
  name: 'mixed',
  about: 'completion of mixed workloads on simulated grids, against other policies',
  async run({ scale, say }) {
    const { grids, loads, seeds, taught, measured } = scale.mixed;
    const rows: Row[] = [];
    const regrets: Regrets = [];
    for (const grid of gridNames.slice(0, grids)) {
      for (const load of loads) {
        say(`  ${grid}, load ${load}`);
        rows.push(...rowsOf(`mixed.${grid}.${load * 100}`, seeds, { grid, load, taught, measured }, regrets));
      }
      rows.push(...slowdownRows(grid, scale.mixed));
    }
    const told = regrets.map((each, at) => row(`mixed.regret.${at * atOnce}`, meanOf(each), 'of its mean'));
    return [...rows, ...told, ...learningRows(scale.mixed, say)];
  },
};

function rowsOf(
  name: string,
  seeds: readonly number[],
  cell: Omit<MixedCell, 'seed'>,
  regrets: Regrets,
): Row[] {
  const { taught, measured } = cell;
  const runs = (policy: MixedPolicyName) => seeds.map((seed) => completionsOf({ ...cell, seed }, policy));
  const over = (completions: ReturnType<typeof runs>, of: (ms: readonly number[]) => number): number =>
    meanOf(completions.map((each) => of(completedFrom(each, taught, measured)))) / 1000;
  const own = runs('learned');
  const knowing = runs('knowing');
  const ofCell: Regrets = [];
  for (const noted of [ofCell, regrets]) noteRegrets(noted, own, knowing);
  const rivals = [...others, 'perfect-knowledge' as const].map((policy) => [policy, runs(policy)] as const);
  const against = [...rivals, ['knowing', knowing] as const].flatMap(([policy, rival]) => [
    comparedRow(`${name}.mean`, over(own, meanOf), 's', { name: policy, value: over(rival, meanOf) }),
    comparedRow(`${name}.p99`, over(own, p99Of), 's', { name: policy, value: over(rival, p99Of) }),
  ]);
  const regretFrom = (from: number): Row[] => {
    const noted = ofCell[from / atOnce];
    return noted === undefined ? [] : [row(`${name}.regret.${from}`, meanOf(noted), 'of its mean')];
  };
  return [...against, ...regretFrom(0), ...regretFrom(untilLearned)];
}

/** Each machine in turn becomes slower. Of one that hardly anything runs on, nobody can tell. */
function slowdownRows(grid: GridName, { loads, seeds, taught, measured }: Scale['mixed']): Row[] {
  const load = loads[0] ?? 0.5;
  const found = machinesOf(grid, new SeededRandom(0)).map((_, machine) => {
    const seed = seeds[machine % seeds.length] ?? 1;
    return runsUntilNoticed({ grid, load, seed, taught, measured }, machine, timesSlower);
  });
  const told = found.filter(({ runs, isNoticed }) => isNoticed || runs >= toldWithin);
  return [
    row(`mixed.${grid}.slowdown-noticed`, Math.max(...told.map(({ runs }) => runs)), 'runs'),
    row(`mixed.${grid}.slowdown-untold`, found.length - told.length, `of ${found.length} machines`),
  ];
}

type Completions = ReturnType<typeof completionsOf>;

function noteRegrets(regrets: Regrets, own: readonly Completions[], knowing: readonly Completions[]): void {
  for (const [seed, completions] of own.entries()) {
    for (let from = 0; from < untilTold; from += atOnce) {
      const seen = completedFrom(completions, from, atOnce);
      if (seen.length === 0) continue;
      const best = completedFrom(knowing[seed] as Completions, from, atOnce);
      const at = from / atOnce;
      regrets[at] ??= [];
      regrets[at].push(meanOf(seen) / meanOf(best) - 1);
    }
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

function p99Of(values: readonly number[]): number {
  return percentile(values, 0.99);
}
