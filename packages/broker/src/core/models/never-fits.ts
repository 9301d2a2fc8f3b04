/**
 * Models that no machine of the grid could hold, were nothing else on it: who asks one is refused at once, with what each lacks (E34).
 *
 * 1. Judged only where every worker has reported: refusing is for good, waiting is not.
 * 2. It holds until a worker comes, goes for good, or has other things than before.
 * 3. Of machines that are alike one is looked at. Where there are more kinds than that, nothing is said: it waits.
 */
import { formatBytes, type ModelSpec } from '@gryphgen/protocol';
import { emptied, type WorkerView } from '@gryphgen/scheduler';
import type { BrokerState } from '../state.ts';
import { isReady, usableOf } from './hosting.ts';
import type { ModelLife } from './model-life.ts';
import { type PlanOptions, planInstance } from './model-plans.ts';

/** Some ms each, in the broker's loop, once for all that ask until the workers change. */
const mostKinds = 32;
/** More would hide the likely ones. */
const workersShown = 3;

/** Null: some machine could hold it, or may. `views`: as they are; `options`: of a plan that has found no place. */
export function judged(
  state: BrokerState,
  spec: ModelSpec,
  views: readonly WorkerView[],
  options: PlanOptions,
): ModelLife['never'] {
  const { version } = state.possible;
  const before = state.models.lifeOf(spec.name).never;
  if (before?.version === version && before.words === '') return before;
  const words = usableOf(state, spec.name).some(isReady) ? '' : whyNever(spec, views, options);
  return { words, version };
}

/** '' where it could be held, or that is not known. */
function whyNever(spec: ModelSpec, views: readonly WorkerView[], options: PlanOptions): string {
  if (views.length === 0 || views.some(({ report }) => report === null)) return '';
  const kinds = new Map<string, { readonly view: WorkerView; count: number }>();
  for (const view of views) {
    const kind = kindOf(view, options);
    const known = kinds.get(kind);
    if (known === undefined) kinds.set(kind, { view, count: 1 });
    else known.count += 1;
  }
  if (kinds.size > mostKinds) return '';
  const asked: PlanOptions = { ...options, shunned: new Set(), onHost: new Set(), lacks: new Map() };
  const lacking: string[] = [];
  for (const { view, count } of [...kinds.values()].sort((a, b) => roomOf(b.view) - roomOf(a.view))) {
    const plan = planInstance(spec, [emptied(view)], asked);
    if (!('reasons' in plan)) return '';
    const alike = count === 1 ? '' : ` (and ${count - 1} like it)`;
    lacking.push(`${view.name}${alike} has ${machineWords(view)}: ${plan.reasons.join(', ')}`);
  }
  const more = lacking.length - workersShown;
  const others = more > 0 ? `; nor ${more} more, of which "grid models plan ${spec.name}" tells` : '';
  const what = `${spec.name}, of ${formatBytes(spec.description.fileBytes)} with a context of ${spec.serving.slots} × ${spec.serving.slotTokens} tokens`;
  return `no machine of this grid could hold ${what}, even with nothing else on it. ${lacking.slice(0, workersShown).join('; ')}${others}`;
}

/** Whether no machine could hold it, as was found of the workers that there are. */
export function isNever({ possible }: BrokerState, { never }: ModelLife): boolean {
  return never !== null && never.words !== '' && never.version === possible.version;
}

/** '' where that is not so. */
export function neverWords(state: BrokerState, name: string): string {
  const life = state.models.lifeOf(name);
  return isNever(state, life) ? (life.never?.words ?? '') : '';
}

function kindOf({ id, report }: WorkerView, { deviceFactor }: PlanOptions): string {
  if (report === null) return id;
  const { capabilities, memoryBytes, cpuMilli, slots, engines, devices } = report;
  const cards = devices.map(({ name, vramBytes }) => [name, vramBytes]);
  const serves = capabilities.includes('instance');
  return JSON.stringify([serves, memoryBytes, cpuMilli, slots, engines, cards, deviceFactor(id)]);
}

function roomOf({ report }: WorkerView): number {
  const { memoryBytes = 0, devices = [] } = report ?? {};
  return devices.reduce((sum, { vramBytes }) => sum + vramBytes, memoryBytes);
}

function machineWords({ report }: WorkerView): string {
  const { memoryBytes = 0, devices = [] } = report ?? {};
  const cards = devices.map(({ name, vramBytes }) => `${formatBytes(vramBytes)} on ${name}`);
  return [`${formatBytes(memoryBytes)} of memory`, ...cards].join(', ');
}
