/**
 * Models that no machine of the grid could hold, were nothing else on it: who asks one is refused at once, with what each lacks (E34).
 *
 * 1. Judged only where every worker has reported: refusing is for good, waiting is not.
 * 2. It holds until a worker comes, goes for good, or has other things than before.
 * 3. A durable task that was taken before is not ended for it: such a machine may come back.
 * 4. Of machines that are alike one is looked at. Where there are more kinds than that, nothing is said: it waits.
 */
import { formatBytes, type ModelSpec } from '@gryphgen/protocol';
import { emptied, type WorkerView } from '@gryphgen/scheduler';
import type { BrokerState } from '../state.ts';
import type { Model } from './model-book.ts';
import { deviceFactorOf } from './model-learning.ts';
import { isPlace, type PlanOptions, planInstance } from './model-plans.ts';

/** Some ms each, in the broker's loop, once for all that ask until the workers change. */
const mostKinds = 32;
/** More would hide the likely ones. */
const workersShown = 3;

/** '' where some machine could hold it, or may. Of one that has instances nothing is looked at. */
export function neverWords(state: BrokerState, { spec }: Pick<Model, 'spec'>): string {
  if (state.models.of(spec.name).instances.size > 0) return '';
  const life = state.models.lifeOf(spec.name);
  const { version } = state.possible;
  if (life.never?.version !== version) life.never = { words: whyNever(state, spec), version };
  return life.never.words;
}

/** A trial is measured on one worker. */
export function trialViews({ trial }: ModelSpec, views: readonly WorkerView[]): readonly WorkerView[] {
  return trial === undefined
    ? views
    : views.filter(({ id, name }) => id === trial.worker || name === trial.worker);
}

function whyNever(state: BrokerState, spec: ModelSpec): string {
  const views = trialViews(spec, state.views).filter((view) => isPlace(spec, view));
  const asked: PlanOptions = {
    ...{ shunned: new Set(), onHost: new Set(), lacks: new Map() },
    deviceFactor: deviceFactorOf(state, spec),
    tokensPerS: () => undefined,
    load: () => ({}),
  };
  if (views.length === 0 || views.some(({ report }) => report === null)) return '';
  const kinds = new Map<string, { readonly view: WorkerView; count: number }>();
  for (const view of views) {
    const kind = kindOf(view, asked);
    const known = kinds.get(kind);
    if (known === undefined) kinds.set(kind, { view, count: 1 });
    else known.count += 1;
  }
  if (kinds.size > mostKinds) return '';
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
