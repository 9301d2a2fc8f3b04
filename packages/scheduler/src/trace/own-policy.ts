/**
 * The grid's own placement on a trace: `place`, as the broker calls it, over nodes told as workers and GPUs told as
 * devices, a thousandth of a GPU as a MiB of its memory.
 */
import type { Device, DeviceUuid, WorkerId, WorkerReport } from '@gryphgen/protocol';
import { reserve } from '../ledger.ts';
import { type Placement, place } from '../place.ts';
import type { Shape } from '../shape.ts';
import { newView, type WorkerView } from '../worker-view.ts';
import type { Choice, Policy } from './policy.ts';
import { isPart } from './policy.ts';
import { keyOfTask, suits, type TraceNode, type TraceTask, wholeGpu } from './trace.ts';

const MiB = 1024 ** 2;

interface Candidates {
  readonly shape: Shape;
  readonly workers: readonly WorkerView[];
}

export class OwnPlacement implements Policy {
  private readonly nodes: readonly TraceNode[];
  private readonly workers: readonly WorkerView[];
  private readonly kinds = new Map<string, Candidates>();
  private last: Extract<Placement, { kind: 'placed' }> | undefined;

  constructor(nodes: readonly TraceNode[]) {
    this.nodes = nodes;
    this.workers = nodes.map(workerOf);
  }

  choose(task: TraceTask): Choice | undefined {
    const { shape, workers } = this.candidatesFor(task);
    const placement = place(shape, workers);
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

  private candidatesFor(task: TraceTask): Candidates {
    const key = keyOfTask(task);
    let found = this.kinds.get(key);
    if (found === undefined) {
      // A request names one model; these name several.
      const isAble = (_: unknown, at: number) =>
        task.gpuCount === 0 || suits((this.nodes[at] as TraceNode).model, task);
      found = { shape: shapeOf(task), workers: this.workers.filter(isAble) };
      this.kinds.set(key, found);
    }
    return found;
  }
}

const workerPrefix = 'w-';

/** Padded, so that equal scores go by the order of the nodes. */
function idOf(node: number): WorkerId {
  return `${workerPrefix}${String(node).padStart(8, '0')}` as WorkerId;
}

function workerOf({ name, model, cpuMilli, memoryMiB, gpuCount }: TraceNode, at: number): WorkerView {
  const id = idOf(at);
  const devices = Array.from({ length: gpuCount }, (_, index): Device => {
    const uuid = `${id}/${index}` as DeviceUuid;
    const vramBytes = wholeGpu * MiB;
    return { uuid, index, name: model, vramBytes, computeCapability: 60, driver: '', foreignBytes: 0 };
  });
  const report: WorkerReport = {
    name,
    capabilities: ['container'],
    labels: {},
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
  const constraints = { labels: {} };
  if (gpuCount === 0) return { kind: 'container', resources, constraints };
  const gpu = isPart(task)
    ? ({ kind: 'part', vramBytes: gpuMilli * MiB } as const)
    : ({ kind: 'whole', count: gpuCount } as const);
  return { kind: 'container', resources: { ...resources, gpu }, constraints };
}
