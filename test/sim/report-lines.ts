/** What the simulator's command line prints. */
import type { ExploreReport, RunPlan, RunResult, Shrunk } from '@gryphgen/testkit';

export function planLines(plan: RunPlan, { plan: small, tries }: Shrunk): string[] {
  return [
    `shrunk in ${tries} runs: ${small.faults.length} of ${plan.faults.length} faults, ${small.operations.length} of ${plan.operations.length} operations`,
    `grid: ${small.grid.workers.length} workers, ${small.grid.clients.length} clients, limits ${JSON.stringify(small.limits)}`,
    ...small.faults.map((fault) => `fault: ${JSON.stringify(fault)}`),
    '',
  ];
}

export function failureLines(seed: number, { failure, digest, steps, simulatedMs }: RunResult): string[] {
  const size = `${steps} steps, ${Math.round(simulatedMs / 1000)} s simulated, digest ${digest}`;
  return failure === null
    ? [`seed ${seed} holds: ${size}`]
    : ['', `seed ${seed} fails: ${failure.message}`, size];
}

export function coverageLines(
  coverage: Readonly<Record<string, number>>,
  missing: readonly string[],
  exclusions: Readonly<Record<string, string>>,
): string[] {
  const names = Object.keys(coverage);
  const width = Math.max(...names.map(({ length }) => length), 1);
  return [
    'reached:',
    ...names.map((name) => `  ${name.padEnd(width)} ${String(coverage[name]).padStart(9)}`),
    'excluded:',
    ...Object.entries(exclusions).map(([name, why]) => `  ${name.padEnd(width)} ${why}`),
    missing.length === 0 ? 'unreached: nothing' : `unreached: ${missing.join(', ')}`,
  ];
}

export function rateLine({ runs, steps, simulatedMs, failures }: ExploreReport, seconds: number): string {
  const perSecond = Math.round(steps / seconds);
  const hours = (simulatedMs / 3600_000).toFixed(1);
  return `${runs} runs in ${seconds.toFixed(1)} s: ${perSecond} steps/s, ${hours} h simulated, ${failures.length} failed`;
}
