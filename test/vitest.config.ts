/**
 * The suites: unit (packages, conformance, tidy) with core (the pure part of it), sim (the seeded grid), e2e (real sockets
 * and containers), packages (what is installed, on a machine of its own).
 *
 * 1. Packages are imported by name from their dist, as users get them: run after `npm run build`.
 * 2. Forked processes, not threads: exiting with a live zeromq socket in a worker thread aborts Node.
 * 3. Files of core share processes, which takes a third of the CPU: what they test has no state outside it, and their
 *    fixtures register no hooks (a hook would run for the first file alone).
 * 4. e2e files run three at a time, since many wait more than they work; those that share the engine one at a time
 *    (one-at-a-time.ts), which is what the order is for (turn-sequencer.ts).
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { TurnSequencer } from './e2e/turn-sequencer.ts';

/** Of `expect.poll`: what a test looks at until it is so may take its time on a busy machine (Vitest would wait 1 s). */
const patient = { poll: { timeout: 20_000 } };
/** No sockets, files, threads or timers. */
const pure = ['packages/{protocol,scheduler}/src/**/*.test.ts', 'packages/*/src/core/**/*.test.ts'];
const root = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  root,
  cacheDir: '.tmp/vite',
  test: {
    sequence: { sequencer: TurnSequencer },
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/tidy.test.ts', 'test/conformance/**/*.test.ts'],
          exclude: pure,
          pool: 'forks',
          expect: patient,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        root,
        test: {
          name: 'core',
          include: pure,
          pool: 'forks',
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        root,
        test: {
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        root,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/test-image.ts', 'test/e2e/nothing-left.ts', 'test/e2e/engine-turns.ts'],
          setupFiles: ['test/e2e/one-at-a-time.ts'],
          pool: 'forks',
          expect: patient,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        root,
        test: {
          name: 'packages',
          include: ['test/packages/**/*.test.ts'],
          pool: 'forks',
          expect: patient,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
