/** Tools for tests: random numbers from a seed, and the whole grid in one thread. */
export { exclusions, reachedExclusions, unreached } from './expected-coverage.ts';
export { type ExploreReport, explore, type FoundFailure } from './explore.ts';
export { SeededRandom } from './seeded-random.ts';
export { type Shrunk, shrink } from './shrink.ts';
export { SimDisk } from './sim-disk.ts';
export { openSimJournal } from './sim-journal.ts';
export { planRun, type RunPlan, type RunResult, runPlan } from './simulation.ts';
