/** Many runs, in several processes: every seed of a range once, the same whatever the number of processes. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Coverage } from './coverage.ts';

/** Seeds from, from + step, …: what one process runs. */
export interface ExploreShare {
  readonly from: number;
  readonly step: number;
  readonly runs: number;
  readonly untilMs: number;
}

export interface FoundFailure {
  readonly seed: number;
  readonly rule: string;
  readonly words: string;
}

export interface ExploreReport {
  readonly runs: number;
  readonly steps: number;
  readonly events: number;
  readonly simulatedMs: number;
  readonly coverage: Readonly<Record<string, number>>;
  readonly failures: readonly FoundFailure[];
}

export interface ExploreOptions {
  readonly from: number;
  readonly runs: number;
  readonly processes: number;
  /** No run begins after this long. */
  readonly untilMs?: number;
  /** Failures after which nothing more is run. */
  readonly maxFailures: number;
  /** explore-child.js of another copy of the packages. */
  readonly child?: string;
  readonly onReport?: (soFar: ExploreReport) => void;
}

/** Longest exploration: a soak's eight hours, with room. */
const longestMs = 24 * 3600_000;

export async function explore(options: ExploreOptions): Promise<ExploreReport> {
  const coverage = new Coverage();
  const total = { runs: 0, steps: 0, events: 0, simulatedMs: 0 };
  const failures: FoundFailure[] = [];
  const stop = new AbortController();
  const soFar = (): ExploreReport => ({
    ...total,
    coverage: coverage.toRecord(),
    failures: bySeed(failures),
  });
  const take = (report: ExploreReport): void => {
    for (const name of ['runs', 'steps', 'events', 'simulatedMs'] as const) total[name] += report[name];
    coverage.add(report.coverage);
    failures.push(...report.failures);
    options.onReport?.(soFar());
    if (failures.length >= options.maxFailures) stop.abort();
  };
  const processes = Math.min(options.processes, options.runs);
  await Promise.all(
    Array.from({ length: processes }, (_, index) => runShare(options, index, processes, stop.signal, take)),
  );
  return soFar();
}

function runShare(
  { from, runs, untilMs = longestMs, child }: ExploreOptions,
  index: number,
  processes: number,
  signal: AbortSignal,
  take: (report: ExploreReport) => void,
): Promise<void> {
  const share: ExploreShare = {
    from: from + index,
    step: processes,
    runs: Math.ceil((runs - index) / processes),
    untilMs,
  };
  return new Promise((resolve, reject) => {
    const entry = child ?? fileURLToPath(new URL('./explore-child.js', import.meta.url));
    const running = fork(entry, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const end = (): void => {
      running.kill('SIGKILL');
    };
    signal.addEventListener('abort', end);
    running.on('message', (report: ExploreReport) => take(report));
    running.on('error', reject);
    running.on('exit', (code) => {
      signal.removeEventListener('abort', end);
      if (code === 0 || signal.aborted) resolve();
      else reject(new Error(`a process of the exploration ended with ${code} (seeds from ${share.from})`));
    });
    running.send(share);
  });
}

function bySeed(failures: readonly FoundFailure[]): FoundFailure[] {
  return [...failures].sort((a, b) => a.seed - b.seed);
}
