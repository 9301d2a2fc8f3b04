/**
 * `npm run sim -- --seed S`: one run; when it fails, its shrunk trace. `--trace` prints the whole run as it is.
 * `npm run sim -- --runs N [--from S]`: explores, prints steps per second and coverage. `--hours H` goes on that long.
 * Built packages are needed (`npm run build`). Exit code 1 when a rule was broken, 2 on wrong usage.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import {
  exclusions,
  explore,
  planRun,
  reachedExclusions,
  runPlan,
  shrink,
  unreached,
} from '@gryphgen/testkit';
import { coverageLines, failureLines, planLines, rateLine } from './report-lines.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    from: { type: 'string' },
    hours: { type: 'string' },
    processes: { type: 'string' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** Fewer runs do not reach everything: their gaps are shown, not held against them. */
const enoughRuns = 2000;
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  if (values.seed !== undefined) return replay(whole('seed', values.seed));
  const forMs = values.hours === undefined ? undefined : Number(values.hours) * 3600_000;
  const runs =
    values.runs === undefined
      ? forMs === undefined
        ? 200
        : Number.MAX_SAFE_INTEGER
      : whole('runs', values.runs);
  const from = values.from === 'random' ? randomInt(1, 2 ** 40) : whole('from', values.from ?? '1');
  return search(from, runs, forMs);
}

async function replay(seed: number): Promise<number> {
  const plan = planRun(seed);
  const result = await runPlan(plan, values.trace ? Number.POSITIVE_INFINITY : 0);
  const shrunk = result.failure === null || values.trace ? undefined : await shrink(plan, result);
  const shown = shrunk?.result ?? result;
  if (values.json) {
    const { digest, events, steps, simulatedMs } = result;
    const failure = result.failure && { rule: result.failure.rule, words: result.failure.message };
    print(JSON.stringify({ seed, digest, events, steps, simulatedMs, failure, trace: shown.trace }));
  } else {
    if (shrunk !== undefined) for (const line of planLines(plan, shrunk)) print(line);
    for (const line of shown.trace) print(line);
    for (const line of failureLines(seed, shown)) print(line);
  }
  return result.failure === null ? 0 : 1;
}

async function search(from: number, runs: number, untilMs: number | undefined): Promise<number> {
  const started = performance.now();
  if (!values.json) print(`seeds from ${from}`);
  let shown = 0;
  const report = await explore({
    from,
    runs,
    processes: whole('processes', values.processes ?? String(availableParallelism())),
    maxFailures: 20,
    ...(untilMs === undefined ? {} : { untilMs }),
    onReport: ({ failures }) => {
      for (const { seed, words } of failures.slice(shown)) if (!values.json) print(`seed ${seed}: ${words}`);
      shown = failures.length;
    },
  });
  const missing = unreached(report.coverage);
  const wrong = reachedExclusions(report.coverage);
  const seconds = (performance.now() - started) / 1000;
  if (values.json) print(JSON.stringify({ ...report, seconds, unreached: missing, exclusions }));
  else {
    for (const line of coverageLines(report.coverage, missing, exclusions)) print(line);
    print(rateLine(report, seconds));
  }
  const gaps = report.runs >= enoughRuns && (missing.length > 0 || wrong.length > 0);
  return report.failures.length > 0 || gaps ? 1 : 0;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} ${text}: expected a whole number`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof RangeError ? error.message : String((error as Error).stack)}\n`);
    process.exitCode = error instanceof RangeError ? 2 : 70;
  },
);
