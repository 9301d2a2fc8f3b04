/** A model and its instances, as people and programs see them. */
import {
  formatTaskId,
  type InstanceDocument,
  type ModelDocument,
  type ModelPlanDocument,
  type WorkerId,
} from '@gryphgen/protocol';
import { planModel } from '@gryphgen/scheduler';
import { nameOf } from '../documents.ts';
import type { BrokerState, Task } from '../state.ts';
import { isEnding, isReady, takesRequests } from './hosting.ts';
import type { Model } from './model-book.ts';
import { instanceLife } from './model-life.ts';
import { deviceOverheadBytes, type Planned, settingsOf } from './model-settings.ts';

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
  return {
    ...spec,
    owner,
    addedAt,
    instances: [...instances].map((id) => {
      const task = state.tasks.get(id) as Task;
      const document = instanceDocument(state, model, task, left, wall);
      return sees(task) ? document : { ...document, task: '' };
    }),
    waiting: asking - placed,
    running: placed,
    trouble: state.models.lifeOf(spec.name).trouble,
  };
}

/** `left`: by worker, requests that its instances answer: which of several does is the worker's own business, so the first count first. */
function instanceDocument(
  state: BrokerState,
  { spec: { name, serving } }: Model,
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
  const busy = Math.min(serving.slots, asking);
  left.set(worker, asking - busy);
  return {
    task: formatTaskId(task.id),
    state: stateOf(state, task),
    worker,
    workerName: nameOf(state, worker),
    devices: lease?.reservation.devices.map(({ uuid }) => uuid) ?? [],
    busy,
    slots: serving.slots,
    readyAt: wallOf(readySince),
    usedAt: wallOf(usedOn.get(worker as WorkerId) ?? null),
    words: (lease === null ? lastFailure?.message : lease.served?.health?.words) || words,
  };
}

function askingOn({ workers }: BrokerState, { lease, spec }: Task): number {
  const worker = lease === null ? undefined : workers.get(lease.worker);
  return worker?.view.ledger.asking.get(spec.envelope.model ?? '') ?? 0;
}

function stateOf(state: BrokerState, task: Task): InstanceDocument['state'] {
  const { phase, notBefore, lease, spec, id } = task;
  if (lease === null) return notBefore > 0 ? 'failed' : 'waiting';
  if (isEnding(task) || !takesRequests(state, spec.envelope.model ?? '', id)) return 'draining';
  if (phase !== 'running') return 'pulling';
  return isReady(task) ? 'ready' : 'starting';
}

/** Where it would fit now; nothing is loaded. */
export function modelPlanDocument({ views }: BrokerState, asked: Planned): ModelPlanDocument {
  const settings = settingsOf(asked);
  return {
    workers: views.map((view) => {
      const plan = planModel(asked.description, settings, view, deviceOverheadBytes);
      const { kind, hostLayers, estimate, reasons } = plan;
      return {
        worker: view.id,
        name: view.name,
        kind,
        devices: plan.devices.map(({ device: { uuid, name }, layers }, at) => ({
          ...{ uuid, name, layers },
          bytes: estimate?.devices[at]?.totalBytes ?? 0,
        })),
        hostLayers,
        hostBytes: estimate?.host.totalBytes ?? 0,
        reasons,
      };
    }),
  };
}
