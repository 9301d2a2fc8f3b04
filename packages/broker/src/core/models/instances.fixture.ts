/** A broker core with models in a test: a grid that is begun anew for each, who orders, who asks, what workers say of instances. */
import {
  failure,
  type ModelDocument,
  type ModelSpec,
  type SessionId,
  type WorkerReport,
} from '@gryphgen/protocol';
import { CoreFixture, sent } from '../core.fixture.ts';
import type { Task } from '../state.ts';
import { MiB, modelSpec } from './models.fixture.ts';

export const serving: Partial<WorkerReport> = {
  capabilities: ['process', 'instance', 'infer'],
  memoryBytes: 1024 * MiB,
};
export const gpu = (uuid: string, MiBs: number) => ({
  ...{ uuid: uuid as never, index: 0, name: uuid, vramBytes: MiBs * MiB, computeCapability: 86 },
  ...{ driver: '1', foreignBytes: 0 },
});

export let grid: CoreFixture;
export let admin: SessionId;
let asked = 0;
let submitted = 0;

/** A new grid, or what a restart made of one. */
export function beginGrid(next = new CoreFixture()): void {
  grid = next;
  admin = grid.client('admin', `c${grid.state.epoch}`);
  asked = 0;
  submitted = 0;
}

export function ask(op: string, args: object): unknown {
  asked += 1;
  const [reply] = sent(grid.say(admin, { kind: 'request', id: asked, op, args }), 'reply');
  if (reply?.failure) throw new Error(reply.failure.message);
  return reply?.result;
}
export const add = (over: Partial<ModelSpec> = {}, layerMiB?: number) =>
  ask('addModel', { model: modelSpec(over, layerMiB) });
const models = () => ask('models', {}) as ModelDocument[];
export const model = (name = 'tiny') => models().find((one) => one.name === name) as ModelDocument;

/** A request; its task. */
export function request(name = 'tiny', over = {}): Task {
  submitted += 1;
  const [accepted] = sent(
    grid.submit(admin, submitted, {
      ...{ kind: 'infer', model: name, durable: false, taskClass: `infer ${name}` },
      resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
      ...over,
    }),
    'accepted',
  );
  return grid.task(accepted?.task as number) as Task;
}
export const instances = () =>
  [...grid.state.tasks.values()].filter(({ spec }) => spec.envelope.kind === 'instance');
/** The only one. */
export function instance(): Task {
  const [one, ...others] = instances();
  if (one === undefined || others.length > 0) throw new Error(`${others.length + (one ? 1 : 0)} instances`);
  return one;
}
export const fence = ({ id: task, attempt }: Task) => ({ task, attempt, epoch: grid.state.epoch });
export const start = (worker: SessionId, task: Task) =>
  grid.say(worker, { kind: 'started', ...fence(task) } as never);
let served = 0;
export function ready(worker: SessionId, task = instance()): void {
  start(worker, task);
  served += 1;
  const health = { state: 'healthy', words: '' };
  grid.say(worker, { kind: 'served', ...fence(task), seq: served, ports: [], health } as never);
}
export const broken = failure('execution.model', 'the file is no model');
export const done = (worker: SessionId, task: Task, why: ReturnType<typeof failure> | null = null) =>
  grid.result(worker, task.id, task.attempt, why);
export const cancelled = failure('cancelled.user', 'stopped');
