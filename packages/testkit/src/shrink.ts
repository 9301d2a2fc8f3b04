/**
 * Makes a failing run small: leaves out faults and operations, in halves and then one by one, as long as the same rule
 * breaks. What is left is what a reader has to understand.
 */
import { type RunPlan, type RunResult, runPlan } from './simulation.ts';

export interface Shrunk {
  readonly plan: RunPlan;
  readonly result: RunResult;
  readonly tries: number;
}

/** Runs tried at most: some seconds. */
const maxTries = 250;

export async function shrink(plan: RunPlan, failed: RunResult): Promise<Shrunk> {
  const rule = failed.failure?.rule;
  let best = { plan, result: failed };
  let tries = 0;
  const stillFails = async (smaller: RunPlan): Promise<boolean> => {
    tries += 1;
    const result = await runPlan(smaller, 0);
    if (result.failure?.rule !== rule) return false;
    best = { plan: smaller, result };
    return true;
  };
  for (const part of ['faults', 'operations'] as const) {
    let size = Math.ceil(best.plan[part].length / 2);
    while (size >= 1 && tries < maxTries) {
      const left = await withoutChunks(
        best.plan,
        part,
        size,
        async (smaller) => tries < maxTries && stillFails(smaller),
      );
      if (left || size > 1) size = left && size === 1 ? 1 : Math.floor(size / 2);
      else break;
    }
  }
  const result = await runPlan(best.plan, Number.POSITIVE_INFINITY);
  return { plan: best.plan, result, tries };
}

/** Tries to leave out each chunk of `size`; keeps what still fails. Returns whether anything was left out. */
async function withoutChunks(
  plan: RunPlan,
  part: 'faults' | 'operations',
  size: number,
  accept: (smaller: RunPlan) => Promise<boolean>,
): Promise<boolean> {
  let current: RunPlan = plan;
  let left = false;
  for (let from = 0; from < current[part].length; ) {
    const items = [...current[part].slice(0, from), ...current[part].slice(from + size)];
    const smaller = { ...current, [part]: items } as RunPlan;
    if (await accept(smaller)) {
      current = smaller;
      left = true;
    } else from += size;
  }
  return left;
}
