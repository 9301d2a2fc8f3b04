/**
 * The grid's own placement on a trace: the broker's, over nodes told as workers and GPUs told as devices, a thousandth of
 * a GPU as a MiB of its memory. A request names one model of GPU; what a trace's task names is told as a label that the
 * nodes have whose model is among them.
 *
 * 1. What it knows of the workload it learns from the tasks that have arrived.
 */
import type { Device, DeviceUuid, WorkerId, WorkerReport } from '@gryphgen/protocol';
import { Demand } from '../demand.ts';
import { reserve } from '../ledger.ts';
import type { Placement } from '../place.ts';
import { Placer } from '../placer.ts';
import { Roster } from '../roster.ts';
import { type Shape, shapeKey } from '../shape.ts';
import { newView, type WorkerView } from '../worker-view.ts';
import type { Choice, Policy } from './policy.ts';
import { isPart } from './policy.ts';
import { keyOfTask, suits, type TraceNode, type TraceTask, wholeGpu } from './trace.ts';

const MiB = 1024 ** 2;

export class OwnPlacement implements Policy {
  private readonly workers: readonly WorkerView[];
  private readonly demand = new Demand();
  private readonly placer: Placer;
  private readonly shapes = new Map<string, { readonly shape: Shape; readonly key: string }>();
  private last: Extract<Placement, { kind: 'placed' }> | undefined;

  /** Of the tasks only the models that they name are looked at. */
  constructor(nodes: readonly TraceNode[], tasks: readonly TraceTask[]) {
    const named = new Map(tasks.map((task) => [labelOf(task), task]));
    named.delete('');
    this.workers = nodes.map((node, at) => {
      const labels = [...named].filter(([, task]) => suits(node.model, task)).map(([label]) => [label, '']);
      return workerOf(node, at, Object.fromEntries(labels));
    });
    this.placer = new Placer(new Roster(this.workers));
  }

  choose(task: TraceTask): Choice | undefined {
    const { shape, key } = this.shapeOf(task);
    this.demand.note(key, shape);
    const placement = this.placer.place(shape, key, this.demand.typical);
    if (placement.kind !== 'placed') return undefined;
    this.last = placement;
    const gpus = placement.reservation.devices.map(({ uuid }) => Number(uuid.slice(uuid.indexOf('/') + 1)));
    return { node: Number(placement.worker.slice(workerPrefix.length)), gpus };
  }

  placed(_: TraceTask, { node }: Choice): void {
    const { last } = this;
    if (last === undefined || last.worker !== idOf(node))
      throw new Error(`nothing was chosen on node ${node}`);
    reserve((this.workers[node] as WorkerView).ledger, last.reservation);
    this.last = undefined;
  }

  private shapeOf(task: TraceTask): { readonly shape: Shape; readonly key: string } {
    const name = keyOfTask(task);
    let found = this.shapes.get(name);
    if (found === undefined) {
      const shape = shapeOf(task);
      found = { shape, key: shapeKey(shape) };
      this.shapes.set(name, found);
    }
    return found;
  }
}

const workerPrefix = 'w-';

/** Padded, so that equal scores go by the order of the nodes. */
function idOf(node: number): WorkerId {
  return `${workerPrefix}${String(node).padStart(8, '0')}` as WorkerId;
}

function labelOf({ gpuCount, models }: TraceTask): string {
  return gpuCount === 0 ? '' : models.join('|');
}

function workerOf(
  { name, model, cpuMilli, memoryMiB, gpuCount }: TraceNode,
  at: number,
  labels: Readonly<Record<string, string>>,
): WorkerView {
  const id = idOf(at);
  const devices = Array.from({ length: gpuCount }, (_, index): Device => {
    const uuid = `${id}/${index}` as DeviceUuid;
    const vramBytes = wholeGpu * MiB;
    return { uuid, index, name: model, vramBytes, computeCapability: 60, driver: '', foreignBytes: 0 };
  });
  const report: WorkerReport = {
    name,
    capabilities: ['container'],
    labels,
    cpuMilli,
    memoryBytes: memoryMiB * MiB,
    diskBytes: 0,
    devices,
    images: [],
    slots: Number.MAX_SAFE_INTEGER,
    speed: 1,
    dataEndpoint: '',
    dataKey: '',
    version: '',
  };
  return { ...newView(id, name), report, connected: true };
}

function shapeOf(task: TraceTask): Shape {
  const { cpuMilli, memoryMiB, gpuCount, gpuMilli } = task;
  const resources = { cpuMilli, memoryBytes: memoryMiB * MiB, diskBytes: 0 };
  const label = labelOf(task);
  const constraints = { labels: label === '' ? {} : { [label]: '' } };
  if (gpuCount === 0) return { kind: 'container', resources, constraints };
  const gpu = isPart(task)
    ? ({ kind: 'part', vramBytes: gpuMilli * MiB } as const)
    : ({ kind: 'whole', count: gpuCount } as const);
  return { kind: 'container', resources: { ...resources, gpu }, constraints };
}
