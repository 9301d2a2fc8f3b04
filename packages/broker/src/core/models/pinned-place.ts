/**
 * Where the instances of a pinned model may be: one worker, one card of whichever has it, or both.
 *
 * 1. They are nowhere else, also where that means that there are none; on a card they are whole or in part, and never on the host alone.
 * 2. A place where the model would not fit if it were empty is refused when it is ordered, in words.
 */
import { type Failure, failure, type ModelPlace, type ModelSpec, type WorkerId } from '@gryphgen/protocol';
import { emptied, type WorkerView } from '@gryphgen/scheduler';
import { notFound } from '../context.ts';
import { nameOf } from '../documents.ts';
import type { BrokerState } from '../state.ts';
import { deviceFactorOf } from './model-learning.ts';
import { planInstance } from './model-plans.ts';

/** By its worker's id, whatever it was called by: another may come to have the name. */
export function placed({ views }: BrokerState, spec: ModelSpec): ModelSpec {
  const { pinned } = spec;
  const id = views.find(({ id, name }) => id === pinned?.worker || name === pinned?.worker)?.id;
  return id === undefined ? spec : { ...spec, pinned: { ...pinned, worker: id } };
}

/** Why it cannot be pinned there; undefined where it can, or nobody can tell: its worker has not been heard of. */
export function refusalByPlace(state: BrokerState, spec: ModelSpec): Failure | undefined {
  const { pinned } = spec;
  if (pinned === undefined) return undefined;
  const { worker, device } = pinned;
  const views = state.views.filter(({ id }) => worker === undefined || id === worker);
  if (views.length === 0) return notFound(`worker "${worker}"`);
  const told = views.filter(({ report }) => report !== null);
  if (told.length === 0) return undefined;
  const there = told.filter(({ report }) => device === undefined || hasDevice(report, device));
  if (there.length === 0) {
    const words =
      worker === undefined ? 'no machine of this grid has a' : `${nameOf(state, worker as WorkerId)} has no`;
    return failure('rejected.not-found', `${words} device ${device}: "grid node show" lists them`);
  }
  const plan = planInstance(spec, there.map(emptied), {
    ...{ shunned: new Set(), onHost: new Set(), lacks: new Map(), deviceFactor: deviceFactorOf(state, spec) },
    ...{ tokensPerS: () => undefined, load: () => ({}) },
  });
  if (!('reasons' in plan)) return undefined;
  return failure('rejected.impossible', `${spec.name} cannot be pinned there: ${plan.reasons.join('; ')}`);
}

export function placeWords(state: BrokerState, { worker, device }: ModelPlace): string {
  const of = worker === undefined ? '' : nameOf(state, worker as WorkerId);
  return device === undefined ? of : [device, of].filter((part) => part !== '').join(' of ');
}

function hasDevice(report: WorkerView['report'], uuid: string): boolean {
  return report?.devices.some((device) => device.uuid === uuid) ?? false;
}
