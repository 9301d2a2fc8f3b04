/** Tools for tests: random numbers from a seed, and the whole grid in one thread. */
export { SeededRandom } from './seeded-random.ts';
export { planRun, type RunPlan, type RunResult, runPlan } from './simulation.ts';
