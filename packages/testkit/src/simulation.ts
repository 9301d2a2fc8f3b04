/**
 * One run: a grid, a workload and faults from a seed, in one thread and in simulated time.
 *
 * 1. The same seed and the same plan give the same run, byte for byte.
 * 2. Faults end at `faultsEndMs`; then everything that was asked must come to its end within `recoveryMs`.
 */
import { Coverage } from './coverage.ts';
import { type Fault, faultsEndMs, planFaults } from './fault-plan.ts';
import { type GridShape, planGrid } from './grid-shape.ts';
import type { Operation } from './operation.ts';
import { policyOperations } from './policy-check.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimFailure } from './sim-failure.ts';
import { SimGrid } from './sim-grid.ts';
import { modelOperations, servingModels } from './sim-models.ts';
import { planLimits, type SqueezedLimits, withLimits } from './squeezed-limits.ts';
import { planWorkload } from './workload.ts';

export interface RunPlan {
  readonly seed: number;
  readonly grid: GridShape;
  readonly operations: readonly Operation[];
  readonly faults: readonly Fault[];
  readonly limits: SqueezedLimits;
  /** What a process sends in one turn leaves in one frame. */
  readonly coalesces: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly failure: SimFailure | null;
  readonly digest: string;
  readonly events: number;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly coverage: Readonly<Record<string, number>>;
  readonly trace: readonly string[];
}

/** Longest honest recovery: silence, backoffs and the queue of everything that was submitted, on one slow worker. */
const recoveryMs = 900_000;

export function planRun(seed: number): RunPlan {
  const random = new SeededRandom(seed);
  const grid = servingModels(random.split('models'), planGrid(random.split('grid')));
  const limits = planLimits(random.split('limits'));
  // What a connection loses costs its sender's credit until the connection ends: no wire of ours does that.
  const lossless = limits.creditMessages !== undefined;
  const others = grid.clients.map(({ name }) => name);
  const operations = [
    ...planWorkload(random.split('workload'), grid),
    ...modelOperations(random.split('models'), grid),
    ...policyOperations(random.split('policies'), others),
  ].sort((a, b) => a.at - b.at);
  return {
    seed,
    grid,
    limits,
    coalesces: random.split('frames').chance(0.4),
    operations,
    faults: planFaults(random.split('faults'), grid, operations, lossless),
  };
}

/** `keepLines`: of the trace; 0 keeps none. */
export function runPlan(plan: RunPlan, keepLines: number): Promise<RunResult> {
  return withLimits(plan.limits, () => run(plan, keepLines));
}

async function run(plan: RunPlan, keepLines: number): Promise<RunResult> {
  const grid = new SimGrid(plan, new Coverage(), keepLines);
  const { world } = grid;
  let failure: SimFailure | null = null;
  try {
    await grid.start();
    await world.run(faultsEndMs, () => grid.failure === null);
    grid.heal();
    const done = await world.run(faultsEndMs + recoveryMs, () => grid.failure === null && !grid.isQuiet());
    failure = grid.failure;
    if (failure === null) {
      if (!done) throw new SimFailure('everything ends', unfinishedWords(grid.unfinished()));
      grid.checkEnd();
    }
  } catch (error) {
    failure = error instanceof SimFailure ? error : new SimFailure('nothing throws', String(error), error);
  }
  if (failure !== null) world.trace.note('FAILED', failure.message);
  return {
    seed: plan.seed,
    failure,
    digest: world.trace.digest(),
    events: world.events,
    steps: grid.observer.steps,
    simulatedMs: world.now,
    coverage: grid.coverageRecord(),
    trace: world.trace.tail(),
  };
}

/** Some of many: the first are as good as all. */
function unfinishedWords(unfinished: readonly string[]): string {
  const shown = unfinished.slice(0, 6).join('; ');
  const more = unfinished.length - 6;
  return more > 0 ? `${shown}; and ${more} more` : shown || 'it never became quiet';
}
