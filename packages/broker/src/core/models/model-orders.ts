/**
 * Orders about models. All are idempotent: asked again, they are answered again, and nothing is done twice (E34).
 *
 * 1. A model's name is one: another specification under it takes the place of the former, whose instances end when they are
 *    idle.
 */
import {
  asksModel,
  type Envelope,
  type Failure,
  failure,
  formatBytes,
  limits,
  type ModelDocument,
  type ModelSpec,
  nearestOf,
  type RequestArgs,
  type TaskId,
} from '@gryphgen/protocol';
import { type Context, decide, notFound, refuse, reply } from '../context.ts';
import { mayWith } from '../principals/roles.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Session } from '../state.ts';
import { noteInstances } from './hosting.ts';
import { type Model, modelSet } from './model-book.ts';
import { modelDocument, modelPlanDocument } from './model-document.ts';
import { startAfresh } from './model-life.ts';
import { neverWords } from './never-fits.ts';
import { placed, refusalByPlace } from './pinned-place.ts';
import { isTuned, tuningsWith, workerAsked } from './tunings.ts';

/** More would hide the likely ones. */
const namesShown = 3;

type ModelOperation =
  | 'models'
  | 'planModel'
  | 'addModel'
  | 'removeModel'
  | 'loadModel'
  | 'unloadModel'
  | 'tuneModel';
export type ModelOrder = {
  readonly [O in ModelOperation]: { readonly op: O; readonly args: RequestArgs<O> };
}[ModelOperation];

export function onModelRequest(context: Context, session: Session, id: number, order: ModelOrder): void {
  const { state } = context;
  const answer = (result: unknown): void => reply(context, session.id, id, result);
  switch (order.op) {
    case 'models':
      answer(
        [...state.models.known.values()]
          .filter(({ spec: { trial } }) => trial === undefined || trial.client === session.client)
          .map((model) => documentOf(context, session, model)),
      );
      return;
    case 'planModel':
      answer(modelPlanDocument(state, order.args));
      return;
    case 'addModel':
      addModel(context, session, id, order.args.model);
      return;
    case 'removeModel':
      // One that is not known was removed, or never was: it is not there, as was ordered.
      if (state.models.known.has(order.args.name))
        decide(context, [decided.modelRemoved, order.args.name, context.now.wall]);
      answer({ removed: order.args.name });
      return;
    case 'loadModel':
    case 'unloadModel': {
      const model = state.models.known.get(order.args.name);
      if (model === undefined) {
        refuse(context, session.id, id, unknownModel(state, order.args.name));
        return;
      }
      const life = state.models.lifeOf(order.args.name);
      life.isWanted = order.op === 'loadModel';
      if (order.op === 'loadModel') startAfresh(life);
      if (order.op === 'unloadModel')
        for (const instance of state.models.instancesOf(order.args.name))
          life.leaving.set(instance, { at: context.now.wall, words: 'it was to be unloaded' });
      noteInstances(state, order.args.name);
      state.models.due.add(order.args.name);
      state.wake = true;
      answer(documentOf(context, session, model));
      return;
    }
    case 'tuneModel':
      tuneModel(context, session, id, order.args);
      return;
    default:
      order satisfies never;
  }
}

/** Nothing changes for the instances there are: they run to their end as they were begun. */
function tuneModel(context: Context, session: Session, id: number, args: RequestArgs<'tuneModel'>): void {
  const { state, now } = context;
  const model = state.models.known.get(args.name);
  const view = workerAsked(state, args);
  if (model === undefined) {
    refuse(context, session.id, id, unknownModel(state, args.name));
    return;
  }
  if (args.worker !== undefined && view === undefined) {
    refuse(context, session.id, id, notFound(`worker "${args.worker}"`));
    return;
  }
  if (!isTuned(model, view, args.found)) {
    const tunings = tuningsWith(model, view, args.found, session, now.wall);
    decide(context, modelSet({ ...model, tunings }));
  }
  reply(context, session.id, id, documentOf(context, session, state.models.known.get(args.name) as Model));
}

/** Which models there are is for everybody to see; which tasks their instances are, for who may see those. */
function documentOf({ state, now }: Context, session: Session, model: Model): ModelDocument {
  return modelDocument(state, model, now.wall, (task) => mayWith(session, 'show', task));
}

function addModel(context: Context, session: Session, id: number, asked: ModelSpec): void {
  const { state, now } = context;
  const spec = placed(state, ofClient(asked, session));
  if (!isAsAdded(state, spec)) {
    const why = whyNot(state, spec);
    if (why !== undefined) {
      refuse(context, session.id, id, why);
      return;
    }
    const before = state.models.known.get(spec.name);
    const isSameFile = before?.spec.artifact.digest === spec.artifact.digest;
    const known = { spec, owner: session.principal, addedAt: now.wall, since: state.nextTask as TaskId };
    decide(context, modelSet({ ...known, tunings: isSameFile ? before.tunings : [] }));
  }
  reply(context, session.id, id, documentOf(context, session, state.models.known.get(spec.name) as Model));
}

/** A trial is its client's, whatever it says. */
function ofClient(spec: ModelSpec, { client }: Session): ModelSpec {
  return spec.trial === undefined ? spec : { ...spec, trial: { ...spec.trial, client: client ?? '' } };
}

/** Why it is not known, with those that are called nearly so. */
function unknownModel({ models }: BrokerState, name: string): Failure {
  const names = [...models.known.values()].flatMap(({ spec }) => (spec.trial ? [] : [spec.name]));
  const known = nearestOf(name, names.sort(), namesShown);
  const hint =
    names.length === 0
      ? 'it knows none: "grid models add" adds one'
      : `it has ${known.join(', ')}${known.length < names.length ? `, and ${names.length - known.length} more` : ''}`;
  return failure('rejected.not-found', `no model "${name}" on this grid: ${hint}`);
}

/** Why no task asks so: nobody begins instances but the broker, and none asks a model that is not known or not for this. */
export function refusalByModel(state: BrokerState, { kind, model }: Envelope): Failure | undefined {
  if (kind === 'instance')
    return failure(
      'rejected.forbidden',
      'instances are begun by the broker: "grid models pull" asks it for one',
    );
  if (!asksModel(kind)) return undefined;
  if (model === undefined) return failure('rejected.invalid', `a task of kind ${kind} names its model`);
  const known = state.models.known.get(model);
  if (known === undefined) return unknownModel(state, model);
  if (known.spec.use !== kind)
    return failure(
      'rejected.invalid',
      `model "${model}" is for ${known.spec.use}, and this asks it to ${kind}`,
    );
  const never = neverWords(state, known);
  return never === '' ? undefined : failure('rejected.impossible', never);
}

/** Whether it was done already: its answer may wait for the journal still. */
export function isModelOrderTaken(
  state: BrokerState,
  order: { readonly model?: ModelSpec; readonly name?: string },
): boolean {
  return order.model === undefined
    ? !state.models.known.has(order.name ?? '')
    : isAsAdded(state, placed(state, order.model));
}

export function isTuningTaken(state: BrokerState, args: RequestArgs<'tuneModel'>): boolean {
  const model = state.models.known.get(args.name);
  const view = workerAsked(state, args);
  if (model === undefined || (args.worker !== undefined && view === undefined)) return false;
  return isTuned(model, view, args.found);
}

function isAsAdded({ models }: BrokerState, spec: ModelSpec): boolean {
  const known = models.known.get(spec.name)?.spec;
  return known !== undefined && written(known) === written(spec);
}

/** The same words for the same specification: zod puts the parts of what it has read in one order. Whose a trial is we add. */
function written(spec: ModelSpec): string {
  const { trial, ...rest } = spec;
  return JSON.stringify({ ...rest, ...(trial && { trial: { of: trial.of, worker: trial.worker } }) });
}

function whyNot(state: BrokerState, spec: ModelSpec): Failure | undefined {
  const { models } = state;
  const { replicas, name } = spec;
  if (replicas.min > replicas.max) {
    const words = `addModel: replicas.min is ${replicas.min}, at most replicas.max, which is ${replicas.max}`;
    return failure('rejected.invalid', words);
  }
  const others = [...models.known.values()].filter((model) => model.spec.name !== name);
  if (others.length >= limits.models)
    return failure('rejected.limit', `the grid knows ${limits.models} models, its limit: remove one`);
  const sum = [spec, ...others.map((model) => model.spec)].reduce(
    (bytes, one) => bytes + written(one).length,
    0,
  );
  if (sum <= limits.modelsBytes) return refusalByPlace(state, spec);
  const words = `with it the grid’s models would take ${formatBytes(sum)} to describe, at most ${formatBytes(limits.modelsBytes)}: remove some`;
  return failure('rejected.limit', words);
}
