/**
 * How an instance comes to be: a plan, then an effect, by which the shell stores its envelope and body as it does those of a
 * submission, then a durable task of the model's owner, that no client has submitted.
 */
import {
  type ClientId,
  encodeBody,
  encodeEnvelope,
  type InstanceBody,
  limits,
  type ModelSpec,
  type Serving,
  servingWords,
  type TaskId,
} from '@gryphgen/protocol';
import { beside, type WorkerView } from '@gryphgen/scheduler';
import { type Context, decide } from '../context.ts';
import type { BrokerEvent } from '../events.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState } from '../state.ts';
import { tellAskedSeat } from './asked-seats.ts';
import { makeRoom, owedTo } from './evicting.ts';
import { foreseenLoad, speedOfNext } from './foreseen-speeds.ts';
import { isReady, usableOf } from './hosting.ts';
import type { Model } from './model-book.ts';
import { deviceFactorOf } from './model-learning.ts';
import { instanceLife, type ModelLife } from './model-life.ts';
import { envelopeOf, type InstancePlan, type NoPlan, type PlanOptions, planInstance } from './model-plans.ts';
import { neverWords, trialViews } from './never-fits.ts';
import { planTuned } from './tunings.ts';

export interface Beginning {
  /** Idle instances of other models may go for it. */
  readonly mayEvict: boolean;
  /** Only where an answer ends within so many ms, its load before it: nobody waits for it. */
  readonly withinMs?: number;
}

/** Where nothing was found, the grid has changed little a moment later. */
const planAgainMs = 1000;
/** A better place for what is answered already is looked for so seldom. */
const betterAgainMs = 10_000;
/** No client has a name without characters: no submission is this one's. */
const noClient = '' as ClientId;

export function begin(
  context: Context,
  model: Model,
  life: ModelLife,
  { mayEvict, withinMs }: Beginning,
): void {
  const { state } = context;
  const { spec, since } = model;
  const options = optionsFor(state, model, life);
  const views = trialViews(spec, besideClaims(state));
  const found = whole(spec, unowed(state, spec.name, planInstance(spec, views, options)));
  if (withinMs !== undefined) {
    life.betterAgainAt = state.watch + betterAgainMs;
    if ('reasons' in found || (found.answerMs ?? withinMs) >= withinMs) return;
  }
  const plan = 'reasons' in found ? found : tuned(model, views, found, options);
  if ('reasons' in plan) {
    life.reasons = plan.reasons;
    life.planAgainAt = state.watch + planAgainMs;
    if (neverWords(state, model) !== '') return;
    if (mayEvict) makeRoom(context, model, life, options);
    return;
  }
  const { use, file, artifact } = spec;
  const { deviceLayers, devices, words, serving = spec.serving } = plan;
  const [first, ...others] = devices;
  const body: InstanceBody = {
    ...{ model: spec.name, use, serving, file, deviceLayers },
    inputs: [{ ...artifact, to: '/model' }],
    ...(first && { device: first.device }),
    ...(others.length > 0 && { divided: [...devices] }),
  };
  tellAskedSeat(context, spec, plan);
  life.isPreparing = true;
  context.effects.push({
    kind: 'prepareInstance',
    model: spec.name,
    since,
    envelope: encodeEnvelope(envelopeOf({ ...spec, serving }, plan, spec.serving.slots)),
    body: encodeBody(body),
    words,
  });
}

/** One in part on a device and in part on the host would measure the division. */
function whole({ trial, description }: ModelSpec, plan: InstancePlan | NoPlan): InstancePlan | NoPlan {
  if (trial === undefined || 'reasons' in plan || plan.deviceLayers === 0) return plan;
  const all = description.layers.length + 1;
  return plan.deviceLayers === all
    ? plan
    : { reasons: [`it fits in part only, ${plan.deviceLayers} of ${all} layers on devices`] };
}

/** With the settings that are kept for where it goes, where there is room for it with these. */
function tuned(
  model: Model,
  views: readonly WorkerView[],
  plan: InstancePlan,
  options: PlanOptions,
): InstancePlan & { readonly serving?: Serving } {
  const view = views.find(({ id }) => id === plan.worker);
  const planned = (serving: Serving): InstancePlan | undefined => {
    const found = view && planInstance({ ...model.spec, serving }, [view], options);
    return found === undefined || 'reasons' in found ? undefined : found;
  };
  const kept = view && planTuned(model, view, plan, planned, ({ devices }) => devices);
  if (kept === undefined) return plan;
  const { serving, plan: better } = kept;
  if (better === undefined)
    return { ...plan, words: `${plan.words}; there is no room for the settings it was tuned to` };
  return { ...better, serving, words: `${better.words}; tuned: ${servingWords(serving)}` };
}

/** Where room was made for those who had waited too long, theirs comes first. */
function unowed(state: BrokerState, name: string, plan: InstancePlan | NoPlan): InstancePlan | NoPlan {
  const other = 'reasons' in plan ? undefined : owedTo(state, plan.worker, name);
  return other === undefined ? plan : { reasons: [`it is ${other}'s turn there`] };
}

/** The workers as they are for who must leave alone the room that is kept. */
function besideClaims({ views, claims }: BrokerState): readonly WorkerView[] {
  if (claims.length === 0) return views;
  return views.map((view) => {
    const claim = claims.find(({ worker }) => worker === view.id);
    return claim === undefined ? view : beside(view, claim.reservation);
  });
}

function optionsFor(state: BrokerState, { spec }: Model, { shunned, lacks }: ModelLife): PlanOptions {
  const onHost = usableOf(state, spec.name).flatMap(({ lease }) =>
    lease?.reservation.devices.length === 0 ? [lease.worker] : [],
  );
  return {
    ...{ shunned, lacks, onHost: new Set(onHost), deviceFactor: deviceFactorOf(state, spec) },
    tokensPerS: speedOfNext(state, spec),
    load: (view) => foreseenLoad(state, spec, view),
  };
}

/** What was planned may be out of date by now: then it is planned anew. */
export function onInstancePrepared(
  context: Context,
  { model: name, since, spec, words }: Extract<BrokerEvent, { kind: 'instancePrepared' }>,
): void {
  const { state, now } = context;
  const model = state.models.known.get(name);
  const life = state.models.lifeOf(name);
  life.isPreparing = false;
  if (model?.since !== since || state.journalStalled || state.tasks.size >= limits.waitingTasks) return;
  const usable = usableOf(state, name);
  if (usable.length >= model.spec.replicas.max || !usable.every(isReady)) return;
  if ('code' in spec) throw new Error(`the instance of ${name} that was planned is none: ${spec.message}`);
  life.isWanted = false;
  life.owed = null;
  const { envelope, envelopeHash, shapeKey, bodyHash, bodyBytes } = spec;
  if (!state.specs.has(envelopeHash)) decide(context, [decided.envelope, envelopeHash, envelope, shapeKey]);
  const id = state.nextTask as TaskId;
  state.counters.accepted += 1;
  instanceLife(life, id).words = words;
  decide(context, [
    ...([decided.accepted, id, envelopeHash, bodyHash, model.owner, noClient, 0, 0, ''] as const),
    now.wall,
    bodyBytes,
  ]);
  state.wake = true;
}
