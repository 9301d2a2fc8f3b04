/** A model and its instances, as people and programs see them. */
import {
  formatTaskId,
  type InstanceDocument,
  type ModelDocument,
  type ModelPlace,
  type ModelPlanDocument,
  type Serving,
  type TuningDocument,
  type WorkerId,
} from '@gryphgen/protocol';
import { emptied, type ModelPlan, type ModelSettings, planModel, type WorkerView } from '@gryphgen/scheduler';
import { nameOf } from '../documents.ts';
import type { BrokerState, Task } from '../state.ts';
import { type Described, foreseenLoad, foreseenSpeed, speedOfNext } from './foreseen-speeds.ts';
import { isEnding, isReady, slotsOf, takesRequests } from './hosting.ts';
import type { Model } from './model-book.ts';
import { deviceFactorOf, vramBytesOf } from './model-learning.ts';
import { instanceLife } from './model-life.ts';
import { devicesFor, isPlace } from './model-plans.ts';
import { deviceOverheadBytes, type Planned, settingsOf } from './model-settings.ts';
import { neverWords } from './never-fits.ts';
import { placeWords } from './pinned-place.ts';
import { planTuned, tuningDocument, tuningOn } from './tunings.ts';

/** Idle instances that would make room for a trial have had their chance by then. */
const roomMs = 30_000;

/** `wall`: the time now; `sees`: which tasks are named. */
export function modelDocument(
  state: BrokerState,
  model: Model,
  wall: number,
  sees: (task: Task) => boolean,
): ModelDocument {
  const { spec, owner, addedAt } = model;
  const { instances, asking, placed } = state.models.of(spec.name);
  const left = new Map<string, number>();
  const never = neverWords(state, model);
  return {
    ...spec,
    owner,
    addedAt,
    instances: [...instances].map((id) => {
      const task = state.tasks.get(id) as Task;
      const document = instanceDocument(state, model, task, left, wall);
      return sees(task) ? document : { ...document, task: '' };
    }),
    heldOn: heldOn(state, model).map((worker) => ({ worker, name: nameOf(state, worker) })),
    waiting: asking - placed,
    running: placed,
    trouble: never || state.models.lifeOf(spec.name).trouble || noRoomWords(state, model, wall),
    ...(never !== '' && { isImpossible: true as const }),
    // Of a worker that has told nothing yet.
    memory: state.models.lessons.memory.factor(spec.name, spec.description.architecture, ''),
    tunings: model.tunings.map((tuning) => tuningDocument(state, model, tuning)),
  };
}

/** By what is known of copies in general, and by what is loaded of it. */
function heldOn(state: BrokerState, { spec: { name, artifact } }: Model): readonly WorkerId[] {
  const loaded = state.models.instancesOf(name).flatMap((id) => {
    const { lease = null, phase } = state.tasks.get(id) ?? {};
    return lease !== null && phase === 'running' && state.models.isCurrent(name, id) ? [lease.worker] : [];
  });
  return [...new Set([...loaded, ...state.holders.of(artifact.digest)])].filter((id) =>
    state.workers.has(id),
  );
}

/** Of a trial, which is measured where there is room and nowhere else: why there is none, as long as none is being made. */
function noRoomWords({ models }: BrokerState, { spec, addedAt }: Model, wall: number): string {
  const { reasons, makesRoom } = models.lifeOf(spec.name);
  const isSure = makesRoom.length === 0 && wall - addedAt >= roomMs;
  if (spec.trial === undefined || !isSure || models.of(spec.name).instances.size > 0) return '';
  return reasons.join('; ');
}

/** `left`: by worker, requests that its instances answer: which of several does is the worker's own business, so the first count first. */
function instanceDocument(
  state: BrokerState,
  { spec: { name } }: Model,
  task: Task,
  left: Map<string, number>,
  wall: number,
): InstanceDocument {
  const { lease, lastFailure } = task;
  const life = state.models.lifeOf(name);
  const { usedOn } = life;
  const { readySince, words } = instanceLife(life, task.id);
  const wallOf = (watch: number | null): number => (watch === null ? 0 : wall - (state.watch - watch));
  const worker = lease?.worker ?? '';
  const asking = left.get(worker) ?? askingOn(state, task);
  const slots = slotsOf(state, task);
  const busy = Math.min(slots, asking);
  left.set(worker, asking - busy);
  return {
    task: formatTaskId(task.id),
    state: stateOf(state, task),
    worker,
    workerName: nameOf(state, worker),
    devices: lease?.reservation.devices.map(({ uuid }) => uuid) ?? [],
    busy,
    slots,
    readyAt: wallOf(readySince),
    usedAt: wallOf(usedOn.get(worker as WorkerId) ?? null),
    ...memoryOf(lease),
    words: (lease === null ? lastFailure?.message : lease.served?.health?.words) || words,
  };
}

function memoryOf(lease: Task['lease']): Pick<InstanceDocument, 'predictedBytes' | 'observedBytes'> {
  if (lease === null) return {};
  const { planned, reservation, use } = lease;
  const isOnHost = reservation.devices.length === 0;
  const observedBytes = isOnHost ? use?.memoryBytes : use?.vramBytes;
  return {
    predictedBytes: isOnHost ? reservation.memoryBytes : vramBytesOf(planned ?? reservation),
    ...(planned !== null && { heldBytes: vramBytesOf(reservation) }),
    ...(observedBytes !== undefined && { observedBytes }),
  };
}

function askingOn({ workers }: BrokerState, { lease, spec }: Task): number {
  const worker = lease === null ? undefined : workers.get(lease.worker);
  return worker?.view.ledger.asking.get(spec.envelope.model ?? '') ?? 0;
}

function stateOf(state: BrokerState, task: Task): InstanceDocument['state'] {
  const { phase, notBefore, lease, spec, id } = task;
  if (lease === null) return notBefore > 0 ? 'failed' : 'waiting';
  if (isEnding(task)) return 'stopping';
  if (!takesRequests(state, spec.envelope.model ?? '', id)) return 'draining';
  if (phase !== 'running') return 'pulling';
  return isReady(task) ? 'ready' : 'starting';
}

/** Where it would fit now; nothing is loaded. `name`: of one that is known. */
export function modelPlanDocument(
  state: BrokerState,
  { name = '', ...asked }: Planned & { readonly name?: string | undefined },
): ModelPlanDocument {
  const settings = settingsOf(asked);
  const of = { name, description: asked.description };
  const factorOf = deviceFactorOf(state, of);
  const writes = speedOfNext(state, of);
  return {
    workers: state.views.map((view) => {
      const { pinned } = state.models.known.get(name)?.spec ?? {};
      const place = pinned === undefined ? {} : { pinned };
      const plannedOn = (on: WorkerView, served: ModelSettings): ModelPlan => {
        if (!isPlace(place, on)) return elsewhere(state, pinned);
        const there = { ...on, report: on.report && { ...on.report, devices: devicesFor(place, on) } };
        return planModel(asked.description, served, there, deviceOverheadBytes, factorOf(view.id), (seat) =>
          writes(view, seat),
        );
      };
      const planned = (served: ModelSettings): ModelPlan => plannedOn(view, served);
      const planEmptied = () => {
        const { kind, reasons } = plannedOn(emptied(view), settings);
        return { kind, reasons };
      };
      const { plan, tuning } = withTuning(state, { ...asked, name }, view, planned(settings), planned);
      const { kind, hostLayers, estimate, reasons } = plan;
      return {
        worker: view.id,
        name: view.name,
        kind,
        devices: plan.devices.map(({ device: { uuid, name }, layers }, at) => {
          const memory = estimate?.devices[at];
          return { uuid, name, layers, bytes: memory?.totalBytes ?? 0, ...(memory && { memory }) };
        }),
        hostLayers,
        hostBytes: estimate?.host.totalBytes ?? 0,
        ...(estimate && { hostMemory: estimate.host }),
        reasons,
        ...(kind === 'no' && { whenEmpty: planEmptied() }),
        ...foreseen(state, of, view, plan),
        ...(tuning && { tuning }),
      };
    }),
  };
}

function elsewhere(state: BrokerState, pinned: ModelPlace = {}): ModelPlan {
  return {
    kind: 'no',
    devices: [],
    hostLayers: 0,
    reasons: [`it is pinned to ${placeWords(state, pinned)}`],
  };
}

/** As it is begun there where settings are kept for it: with them where they are in force, fit, and nothing else is asked. */
function withTuning(
  state: BrokerState,
  asked: Planned & { readonly name: string },
  view: WorkerView,
  plan: ModelPlan,
  planned: (settings: ModelSettings) => ModelPlan,
): { readonly plan: ModelPlan; readonly tuning?: TuningDocument } {
  const model = state.models.known.get(asked.name);
  const seatedOf = ({ devices }: ModelPlan) =>
    devices.map(({ device, layers }) => ({ device: device.uuid, layers }));
  const seat = seatedOf(plan).map(({ device }) => device);
  const kept = model && tuningOn(model, view.id, seat);
  if (model === undefined || kept === undefined || plan.kind === 'no') return { plan };
  const as = { ...model, spec: { ...model.spec, serving: asked.serving } };
  const tuning = tuningDocument(state, as, kept);
  const again = (serving: Serving): ModelPlan | undefined => {
    const found = planned(settingsOf({ ...asked, serving }));
    return found.kind === 'no' ? undefined : found;
  };
  const found = planTuned(as, view, plan, again, seatedOf);
  if (found === undefined) return { plan, tuning };
  return found.plan === undefined
    ? { plan, tuning: { ...tuning, stale: 'there is no room for it now' } }
    : { plan: found.plan, tuning };
}

type ForeseenSpeed = Pick<ModelPlanDocument['workers'][number], 'tokensPerS' | 'loadMs'>;

function foreseen(state: BrokerState, of: Described, view: WorkerView, plan: ModelPlan): ForeseenSpeed {
  if (view.report === null || plan.kind === 'no') return {};
  const tokensPerS = foreseenSpeed(state, of, view, plan);
  const { measured, estimated } = foreseenLoad(state, of, view);
  const loadMs = measured ?? estimated;
  return {
    ...(tokensPerS && { tokensPerS }),
    ...(loadMs !== undefined && {
      loadMs: { value: loadMs, from: measured === undefined ? 'estimated' : 'measured' },
    }),
  };
}
