/** Tools for tests: random numbers from a seed, and the whole grid in one thread. */
export { exclusions, reachedExclusions, unreached } from './expected-coverage.ts';
export { type ExploreReport, explore, type FoundFailure } from './explore.ts';
export { ggufHeader, i32s, type Metadata, string, strings, type Tensor, u32 } from './gguf/gguf-header.ts';
export { encoder } from './gguf/sparse-encoder.ts';
export { hybrid, recurrent } from './gguf/sparse-recurrent.ts';
export { dense, experts, latent, type Model, windowed } from './gguf/sparse-shapes.ts';
export { tinyBert } from './gguf/tiny-bert.ts';
export { type TinyModel, type TinySizes, tinyLlama } from './gguf/tiny-llama.ts';
export { writeGguf, writeSparseGguf } from './gguf/write-gguf.ts';
export { SeededRandom } from './seeded-random.ts';
export { type Shrunk, shrink } from './shrink.ts';
export { SimDisk } from './sim-disk.ts';
export { openSimJournal } from './sim-journal.ts';
export { planRun, type RunPlan, type RunResult, runPlan } from './simulation.ts';
