/**
 * Models and who asks them (E34), after each step.
 *
 * 1. A request is leased only to a worker on which an instance of its model is leased that its worker has called healthy, and
 *    no more of them than those answer at a time.
 * 2. None is begun while another of its model is on its way, or while as many take requests as may (`replicas.max`).
 */
import type { BrokerEvent, BrokerState, Task } from '@gryphgen/broker';
import { asksModel, formatTaskId, type TaskId } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

export class ModelCheck {
  private readonly coverage: Coverage;
  private attempts = new Map<TaskId, number>();

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  stepped(state: BrokerState, event: BrokerEvent): void {
    const instances = [...state.tasks.values()].filter(({ spec }) => spec.envelope.kind === 'instance');
    for (const task of state.tasks.values()) {
      const before = this.attempts.get(task.id);
      if (before === task.attempt) continue;
      this.attempts.set(task.id, task.attempt);
      if (before === undefined && event.kind === 'instancePrepared') this.checkBegun(state, task, instances);
      const { kind } = task.spec.envelope;
      if (kind === 'instance' && (task.lease?.reservation.devices.length ?? 0) > 1)
        this.coverage.reached('an instance holds several devices');
      if (task.lease !== null && event.kind === 'schedule' && asksModel(task.spec.envelope.kind))
        this.checkRequest(state, task, instances);
    }
    for (const name of state.models.known.keys()) {
      const { trouble, makesRoom } = state.models.lifeOf(name);
      if (trouble !== '') this.coverage.reached('a model is in trouble');
      if (makesRoom.length > 0) this.coverage.reached('an instance makes room for another');
    }
  }

  recovered({ tasks }: BrokerState): void {
    this.attempts = new Map([...tasks.values()].map(({ id, attempt }) => [id, attempt]));
  }

  private checkBegun(state: BrokerState, task: Task, instances: readonly Task[]): void {
    const { model: name = '' } = task.spec.envelope;
    const model = state.models.known.get(name);
    const others = instances.filter((one) => one !== task && counts(state, one, name));
    this.coverage.reached('an instance is begun');
    if (others.every(isWell) && others.length < (model?.spec.replicas.max ?? 0)) return;
    const beside = others.map((one) => `${formatTaskId(one.id)}${isWell(one) ? ' (ready)' : ''}`).join(', ');
    const words = `${formatTaskId(task.id)} of ${name} beside ${beside || 'none'}, at most ${model?.spec.replicas.max}`;
    throw new SimFailure('no more instances than may be', words);
  }

  private checkRequest(state: BrokerState, task: Task, instances: readonly Task[]): void {
    const { model = '' } = task.spec.envelope;
    const worker = task.lease?.worker;
    const well = instances.filter(
      (one) => one.spec.envelope.model === model && one.lease?.worker === worker && isWell(one),
    );
    const slots = well.length * (state.models.known.get(model)?.spec.serving.slots ?? 0);
    const asking = [...(worker === undefined ? [] : (state.workers.get(worker)?.tasks ?? []))].filter(
      (id) => {
        const other = state.tasks.get(id);
        return (
          other?.lease?.idle === false &&
          asksModel(other.spec.envelope.kind) &&
          other.spec.envelope.model === model
        );
      },
    );
    this.coverage.reached('a request is leased');
    if (well.length > 0 && asking.length <= slots) return;
    const words = `${formatTaskId(task.id)} on ${worker}: ${well.length} instances of ${model} are ready there, ${asking.length} requests of ${slots}`;
    throw new SimFailure('who asks is answered', words);
  }
}

function isWell({ lease }: Task): boolean {
  return lease?.served?.health?.state === 'healthy';
}

/** Whether it takes requests, or will: those on machines that are to be empty do not. */
function counts({ models, workers }: BrokerState, task: Task, name: string): boolean {
  const { id, spec, cancelRequested, lease } = task;
  const since = models.known.get(name)?.since ?? id;
  if (spec.envelope.model !== name || id < since || cancelRequested || models.lifeOf(name).leaving.has(id))
    return false;
  return lease === null || !(lease.idle || lease.drained || workers.get(lease.worker)?.view.draining);
}
