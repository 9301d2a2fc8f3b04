/**
 * How completion comes near to that of the same placement with perfect knowledge as tasks are seen: with learning, and by scores alone. The drawing
 * in docs/placement.md is made of these rows (learning-drawing.ts).
 */
import { completionsOf, gridNames, type MixedPolicyName } from '@gryphgen/scheduler';
import { comparedRow, type Row } from './row.ts';
import type { Scale } from './scale.ts';

/** One row tells of the tasks from one multiple of it to the next. */
const every = 100;

/** Geometric means over grids and seeds of a mean completion over that of the same placement, told the truth, by tasks seen so far. */
export function learningRows(
  { grids, loads, seeds, taught, measured }: Scale['mixed'],
  say: (words: string) => void,
): Row[] {
  const seen = Math.ceil(Math.min(taught, measured) / every) * every;
  return loads.flatMap((load) => {
    say(`  learning, load ${load}`);
    const runs = gridNames.slice(0, grids).flatMap((grid) => seeds.map((seed) => ({ grid, seed })));
    const curves = runs.map(({ grid, seed }) => {
      const curve = (policy: MixedPolicyName) =>
        windows(completionsOf({ grid, load, seed, taught: 0, measured: seen }, policy), seen);
      const [perfect, learned, scores] = [curve('knowing'), curve('learned'), curve('scores-alone')];
      return { learned: over(learned, perfect), scores: over(scores, perfect) };
    });
    return Array.from({ length: seen / every }, (_, at) => {
      const mean = (of: (typeof curves)[number]['learned'][]) =>
        Math.exp(of.reduce((sum, curve) => sum + Math.log(curve[at] ?? 1), 0) / of.length);
      const value = mean(curves.map(({ learned }) => learned));
      const scores = mean(curves.map(({ scores }) => scores));
      const name = `mixed.learning.${load * 100}.${(at + 1) * every}`;
      return comparedRow(name, value, 'times', { name: 'scores alone', value: scores });
    });
  });
}

/** Mean completions of the jobs whose first task is among so many. */
function windows(completions: ReturnType<typeof completionsOf>, seen: number): readonly number[] {
  return Array.from({ length: seen / every }, (_, at) => {
    const within = completions.filter(({ first }) => first >= at * every && first < (at + 1) * every);
    return within.reduce((sum, { ms }) => sum + ms, 0) / Math.max(1, within.length);
  });
}

function over(curve: readonly number[], perfect: readonly number[]): readonly number[] {
  return curve.map((ms, at) => (ms > 0 && perfect[at] ? ms / perfect[at] : 1));
}
