/** A model and its instances, as people and programs see them. */
import {
  formatTaskId,
  type InstanceDocument,
  type ModelDocument,
  type ModelPlanDocument,
} from '@gryphgen/protocol';
import { planModel } from '@gryphgen/scheduler';
import { nameOf } from './documents.ts';
import { asksModel, type Model } from './model-book.ts';
import { deviceOverheadBytes, type Planned, settingsOf } from './model-settings.ts';
import type { BrokerState, Task } from './state.ts';

export function modelDocument(state: BrokerState, model: Model): ModelDocument {
  const { spec, owner, addedAt } = model;
  const { instances, asking, placed } = state.models.of(spec.name);
  const left = busyOn(
    state,
    spec.name,
    [...instances].map((id) => state.tasks.get(id) as Task),
  );
  return {
    ...spec,
    owner,
    addedAt,
    instances: [...instances].map((id) => instanceDocument(state, model, state.tasks.get(id) as Task, left)),
    waiting: asking - placed,
    running: placed,
    trouble: '',
  };
}

/** By worker: requests that its instances answer. */
function busyOn(state: BrokerState, name: string, instances: readonly Task[]): Map<string, number> {
  const busy = new Map<string, number>();
  for (const { lease } of instances) {
    const worker = lease === null ? undefined : state.workers.get(lease.worker);
    if (worker === undefined || busy.has(worker.id)) continue;
    let count = 0;
    for (const id of worker.tasks) {
      const task = state.tasks.get(id);
      if (task !== undefined && asksModel(task) && task.spec.envelope.model === name) count += 1;
    }
    busy.set(worker.id, count);
  }
  return busy;
}

/** `busy`: of its worker; which of several there answers what is the worker's own business, so the first count first. */
function instanceDocument(
  state: BrokerState,
  { spec: { serving } }: Model,
  task: Task,
  busy: Map<string, number>,
): InstanceDocument {
  const worker = task.lease?.worker ?? '';
  const mine = Math.min(serving.slots, busy.get(worker) ?? 0);
  busy.set(worker, (busy.get(worker) ?? 0) - mine);
  const { lease, lastFailure } = task;
  return {
    task: formatTaskId(task.id),
    state: stateOf(task),
    worker,
    workerName: nameOf(state, worker),
    devices: lease?.reservation.devices.map(({ uuid }) => uuid) ?? [],
    busy: mine,
    slots: serving.slots,
    readyAt: 0,
    usedAt: 0,
    words: lease?.served?.health?.words || lastFailure?.message || '',
  };
}

function stateOf({ phase, notBefore, cancelRequested, lease }: Task): InstanceDocument['state'] {
  if (lease === null) return notBefore > 0 ? 'failed' : 'waiting';
  if (cancelRequested || lease.drained || lease.preempted !== null) return 'draining';
  if (phase !== 'running') return 'pulling';
  return lease.served?.health?.state === 'healthy' ? 'ready' : 'starting';
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
