/**
 * One process of an exploration: runs its share of the seeds and tells its parent what it found. The parent may be of
 * another copy of the packages: what this process runs is what its own imports give it.
 */
import { Coverage } from './coverage.ts';
import type { ExploreReport, ExploreShare } from './explore.ts';
import { planRun, runPlan } from './simulation.ts';

/** Runs between two reports, so that the parent can show progress and stop early. */
const reportEvery = 25;

process.on('message', (share: ExploreShare) => {
  work(share).then(
    () => process.disconnect(),
    (error: unknown) => {
      throw error;
    },
  );
});

async function work({ from, step, runs, untilMs }: ExploreShare): Promise<void> {
  const end = performance.now() + untilMs;
  let report = emptyReport();
  for (let run = 0; run < runs && performance.now() < end; run += 1) {
    const seed = from + run * step;
    const result = await runPlan(planRun(seed), 0);
    const { failure } = result;
    report = {
      runs: report.runs + 1,
      steps: report.steps + result.steps,
      events: report.events + result.events,
      simulatedMs: report.simulatedMs + result.simulatedMs,
      coverage: sum(report.coverage, result.coverage),
      failures:
        failure === null
          ? report.failures
          : [...report.failures, { seed, rule: failure.rule, words: failure.message }],
    };
    if (report.runs < reportEvery && failure === null) continue;
    process.send?.(report);
    report = emptyReport();
  }
  process.send?.(report);
}

function emptyReport(): ExploreReport {
  return { runs: 0, steps: 0, events: 0, simulatedMs: 0, coverage: {}, failures: [] };
}

function sum(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const coverage = new Coverage();
  coverage.add(a);
  coverage.add(b);
  return coverage.toRecord();
}
