/**
 * How much of what is free on a worker's devices the typical tasks could not use, counted in devices: what placement
 * makes as little of as it can. It is the fragmentation of Weng et al. (USENIX ATC 2023), which sees what is lost now,
 * and beside it what would stay free if as many of one typical task as fit by devices, CPU and memory were placed,
 * which sees what will be lost.
 *
 * 1. Free memory of a device counts as its share of that device, so that cards of all sizes compare.
 * 2. A task that could not run on the worker even when that is empty can use nothing there.
 * 3. Depends on this worker and the demand alone.
 */
import type { Device, GpuRequest, WorkerReport } from '@gryphgen/protocol';
import type { TypicalDemand, TypicalTask } from './demand.ts';
import { capabilityLack, freeVram, nameLack, uuidLack, wholeLack } from './device-fit.ts';
import { freeMemory } from './memory-fit.ts';
import { lackOf } from './predicates.ts';
import { versionOf, type WorkerView } from './worker-view.ts';

/** What will be lost weighs less than what is: it takes one kind of task to come alone. */
const LATER_WEIGHT = 0.3;

/** What is free on a worker, to try things on. Devices go by their place in the report. */
export interface Leftover {
  cpuMilli: number;
  memoryBytes: number;
  /** Bytes that a part may take. */
  readonly vramBytes: Float64Array;
  /** 1: a task may have the whole device. */
  readonly whole: Uint8Array;
  /** What is stranded there before anything is tried. */
  readonly before: number;
  /** The first device that is of the same make and would do for the same tasks. */
  readonly alike: Uint16Array;
}

/** A leftover with what it is kept by: reports and what is told of the demand are replaced whole. */
interface Kept extends Leftover {
  readonly report: WorkerReport;
  readonly name: string;
  readonly demand: TypicalDemand;
  readonly tasks: Columns;
  readonly sizes: Float64Array;
  /** For each typical task in turn, for each device: 1, it would do if it were free. */
  readonly suits: Uint8Array;
  before: number;
  /** As the worker was at `version`, for those who try anew. */
  freeCpuMilli: number;
  freeMemoryBytes: number;
  readonly freeVramBytes: Float64Array;
  readonly idle: Uint8Array;
  /** The worker's. */
  version: number;
}

/** Typical tasks as columns: they are looked at for every worker that is scored. */
interface Columns {
  readonly length: number;
  readonly share: Float64Array;
  readonly cpuMilli: Float64Array;
  readonly memoryBytes: Float64Array;
  /** 0: it asks for whole devices. */
  readonly partBytes: Float64Array;
  readonly wholes: Float64Array;
}

const leftovers = new WeakMap<WorkerView, Kept>();
const columns = new WeakMap<TypicalDemand, Columns>();

/** As the worker is now. The next call for the same worker gives the same object, filled anew. */
export function leftoverOf(worker: WorkerView, report: WorkerReport, demand: TypicalDemand): Leftover {
  let kept = leftovers.get(worker);
  if (kept?.report !== report || kept.demand !== demand || kept.name !== worker.name) {
    kept = newLeftover(worker, report, demand);
    leftovers.set(worker, kept);
  }
  const version = versionOf(worker);
  const isKept = kept.version === version;
  if (!isKept) lookAt(kept, worker);
  kept.cpuMilli = kept.freeCpuMilli;
  kept.memoryBytes = kept.freeMemoryBytes;
  for (let at = 0; at < kept.sizes.length; at += 1) {
    kept.vramBytes[at] = kept.freeVramBytes[at] as number;
    kept.whole[at] = kept.idle[at] as number;
  }
  if (!isKept) {
    kept.version = version;
    kept.before = strandedOn(kept);
  }
  return kept;
}

function lookAt(kept: Kept, worker: WorkerView): void {
  const { report } = kept;
  const { ledger } = worker;
  kept.freeCpuMilli = report.cpuMilli - ledger.cpuMilli;
  kept.freeMemoryBytes = freeMemory(worker, report);
  for (let at = 0; at < report.devices.length; at += 1) {
    const device = report.devices[at] as Device;
    const held = ledger.devices.get(device.uuid);
    const isBarred = device.pressure !== undefined || held?.whole === true;
    kept.freeVramBytes[at] = isBarred ? 0 : Math.max(0, freeVram(device, held, 'now'));
    kept.idle[at] = !isBarred && wholeLack(device, held, 'now') === 0 ? 1 : 0;
  }
}

/** In devices: 0 to 1.3 times those that are free. */
export function strandedOn(leftover: Leftover): number {
  const { tasks, suits, sizes, vramBytes, whole, cpuMilli, memoryBytes } = leftover as Kept;
  let free = 0;
  for (let at = 0; at < sizes.length; at += 1) free += (vramBytes[at] as number) / (sizes[at] as number);
  if (free === 0) return 0;
  const nothing = free * (1 + LATER_WEIGHT);
  let stranded = 0;
  for (let task = 0, first = 0; task < tasks.length; task += 1, first += sizes.length) {
    const share = tasks.share[task] as number;
    const cpu = tasks.cpuMilli[task] as number;
    const memory = tasks.memoryBytes[task] as number;
    if (cpu > cpuMilli || memory > memoryBytes) {
      stranded += share * nothing;
      continue;
    }
    const partBytes = tasks.partBytes[task] as number;
    let unusable = 0;
    let fitting = 0;
    let taken = 0;
    for (let at = 0; at < sizes.length; at += 1) {
      const bytes = vramBytes[at] as number;
      const size = sizes[at] as number;
      if (suits[first + at] === 0 || (partBytes > 0 ? bytes < partBytes : whole[at] === 0)) {
        unusable += bytes / size;
        continue;
      }
      const here = partBytes > 0 ? Math.floor(bytes / partBytes) : 1;
      fitting += here;
      taken += (here * partBytes) / size;
    }
    if (partBytes === 0) {
      const count = tasks.wholes[task] as number;
      fitting = Math.floor(fitting / count);
      taken = fitting * count;
    }
    if (fitting === 0) {
      stranded += share * nothing;
      continue;
    }
    let most = fitting;
    if (cpu > 0) most = Math.min(most, cpuMilli / cpu);
    if (memory > 0) most = Math.min(most, memoryBytes / memory);
    stranded += share * (unusable + LATER_WEIGHT * Math.max(0, free - (taken * most) / fitting));
  }
  return stranded;
}

function newLeftover(worker: WorkerView, report: WorkerReport, demand: TypicalDemand): Kept {
  const { devices } = report;
  const suits = new Uint8Array(demand.tasks.length * devices.length);
  for (const [task, { shape }] of demand.tasks.entries()) {
    const { gpu } = shape.resources;
    if (gpu === undefined || lackOf(shape, worker, report, 'ever') > 0) continue;
    for (const [at, device] of devices.entries())
      suits[task * devices.length + at] = wouldDo(gpu, device) ? 1 : 0;
  }
  const makes = devices.map(({ name, vramBytes, computeCapability }, at) =>
    [
      name,
      vramBytes,
      computeCapability,
      ...demand.tasks.map((_, task) => suits[task * devices.length + at]),
    ].join(),
  );
  return {
    report,
    name: worker.name,
    demand,
    tasks: columnsOf(demand),
    sizes: Float64Array.from(devices, ({ vramBytes }) => Math.max(1, vramBytes)),
    suits,
    alike: Uint16Array.from(makes, (make) => makes.indexOf(make)),
    cpuMilli: 0,
    memoryBytes: 0,
    vramBytes: new Float64Array(devices.length),
    whole: new Uint8Array(devices.length),
    before: 0,
    freeCpuMilli: 0,
    freeMemoryBytes: 0,
    freeVramBytes: new Float64Array(devices.length),
    idle: new Uint8Array(devices.length),
    version: -1,
  };
}

function wouldDo(gpu: GpuRequest, device: Device): boolean {
  return uuidLack(gpu, device) + nameLack(gpu, device) + capabilityLack(gpu, device) === 0;
}

function columnsOf(demand: TypicalDemand): Columns {
  let made = columns.get(demand);
  if (made === undefined) {
    const { tasks } = demand;
    const column = (of: (task: TypicalTask) => number) => Float64Array.from(tasks, of);
    made = {
      length: tasks.length,
      share: column(({ share }) => share),
      cpuMilli: column(({ shape }) => shape.resources.cpuMilli),
      memoryBytes: column(({ shape }) => shape.resources.memoryBytes),
      partBytes: column(({ shape: { resources } }) =>
        resources.gpu?.kind === 'part' ? resources.gpu.vramBytes : 0,
      ),
      wholes: column(({ shape: { resources } }) =>
        resources.gpu?.kind === 'whole' ? resources.gpu.count : 1,
      ),
    };
    columns.set(demand, made);
  }
  return made;
}
