/**
 * What must hold before a worker can take a shape, as named predicates in the order of their cost.
 *
 * 1. `lack` is 0 exactly when the predicate holds, and otherwise says how far the worker is from it: the missing share
 *    of an amount, 1 for what is no amount. Placement reads only whether it is 0; a refusal names the nearest worker by it.
 * 2. Where `lack` is not 0, `reasons` gives at least one reason, with numbers; nothing is put in words until asked.
 * 3. In mode `ever` nothing counts that may pass: connection, drain (planned ones too), pressures, the ledger, use from outside
 *    the grid.
 */
import {
  type Device,
  formatBytes,
  formatDuration,
  formatTime,
  pressureWords,
  type WorkerReport,
} from '@gryphgen/protocol';
import { deviceLack, devicesWanted, type Held, type Mode, type Parts } from './device-fit.ts';
import { deviceReason } from './device-reason.ts';
import { hosting } from './hosting.ts';
import { foreignMemory, freeMemory } from './memory-fit.ts';
import { offerPredicates } from './offers.ts';
import { owning } from './owning.ts';
import type { Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

interface Predicate {
  /** False: it holds on every worker. Missing: it may fail of any shape. */
  readonly concerns?: (shape: Shape) => boolean;
  readonly lack: (shape: Shape, worker: WorkerView, report: WorkerReport, mode: Mode) => number;
  readonly reasons: (shape: Shape, worker: WorkerView, report: WorkerReport, mode: Mode) => readonly string[];
}

const connected: Predicate = {
  lack: (_shape, worker, _report, mode) => (mode === 'now' && !worker.connected ? 1 : 0),
  reasons: () => ['is not connected'],
};

const willing: Predicate = {
  lack: (_shape, worker, _report, mode) => (mode === 'now' && worker.draining ? 1 : 0),
  reasons: (_shape, { drainUntil, resumesAt, ledger }) => {
    const until = drainUntil === 0 ? '' : ` until ${formatTime(drainUntil)}`;
    const again = resumesAt === 0 ? 'it is resumed' : formatTime(resumesAt);
    return [`is draining${until}, ${ledger.attempts} running: it takes nothing new before ${again}`];
  },
};

const open: Predicate = {
  concerns: ({ shut }) => shut !== undefined,
  lack: ({ shut }, { id }, _report, mode) =>
    mode === 'now' && shut?.some(({ worker }) => worker === id) ? 1 : 0,
  reasons: ({ shut = [] }, { id }) =>
    shut
      .filter(({ worker }) => worker === id)
      .map(
        ({ at, lengthMs }) =>
          `is to be drained at ${formatTime(at)}: this may take ${formatDuration(roundedMs(lengthMs))}, and would run into that`,
      ),
};

function roundedMs(ms: number): number {
  return ms < 1000 ? Math.ceil(ms) : Math.round(ms / 1000) * 1000;
}

const named: Predicate = {
  concerns: ({ constraints }) => constraints.worker !== undefined,
  lack: ({ constraints }, worker) =>
    constraints.worker === undefined || constraints.worker === worker.id || constraints.worker === worker.name
      ? 0
      : 1,
  reasons: ({ constraints }) => [`is not the worker asked for, ${constraints.worker}`],
};

const capable: Predicate = {
  lack: ({ kind }, _worker, report) => (report.capabilities.includes(kind) ? 0 : 1),
  reasons: ({ kind }, _worker, report) => [
    `cannot run ${kind} tasks (it offers ${report.capabilities.join(', ') || 'nothing'})`,
  ],
};

/** Of the whole machine; a device's own is the device's. */
const unpressed: Predicate = {
  lack: (shape, _worker, report, mode) => (mode === 'now' && isPressed(shape, report) ? 1 : 0),
  reasons: ({ kind }, _worker, { pressures = [] }) =>
    pressures.filter(({ stops }) => stops.includes(kind)).map(pressureWords),
};

const slots: Predicate = {
  lack: (_shape, worker, report, mode) =>
    missing(1, report.slots - (mode === 'now' ? worker.ledger.attempts : 0)),
  reasons: (_shape, { ledger }, { slots: all }) => [
    all > 0 ? `all ${all} slots are taken (${ledger.attempts} attempts)` : 'offers no slots',
  ],
};

const cpu = amount(
  'CPU',
  (milli) => String(milli / 1000),
  (has) => has.cpuMilli,
);
const memory: Predicate = {
  concerns: ({ resources }) => resources.memoryBytes > 0,
  lack: ({ resources }, worker, report, mode) =>
    missing(resources.memoryBytes, mode === 'now' ? freeMemory(worker, report) : report.memoryBytes),
  reasons: ({ resources }, worker, report) => {
    const { memoryBytes: asked } = resources;
    const others = [
      worker.beyondBytes > 0 ? `${formatBytes(worker.beyondBytes)} held beyond reservations` : '',
      foreignMemory(report) > 0 ? `${formatBytes(report.foreignBytes ?? 0)} held outside the grid` : '',
    ].filter((words) => words !== '');
    const free = Math.floor(Math.max(0, freeMemory(worker, report)));
    return shortage('memory', formatBytes, asked, report.memoryBytes, free, others);
  },
};
const disk = amount('disk', formatBytes, (has) => has.diskBytes);

const labelled: Predicate = {
  concerns: ({ constraints }) => Object.keys(constraints.labels).length > 0,
  lack: ({ constraints }, _worker, report) => {
    for (const key in constraints.labels) if (report.labels[key] !== constraints.labels[key]) return 1;
    return 0;
  },
  reasons: ({ constraints }, _worker, { labels }) =>
    Object.entries(constraints.labels)
      .filter(([key, value]) => labels[key] !== value)
      .map(
        ([key, value]) =>
          `has ${Object.hasOwn(labels, key) ? `${key}=${labels[key]}` : `no label ${key}`}, ${key}=${value} asked`,
      ),
};

const devices: Predicate = {
  concerns: ({ resources }) => resources.gpu !== undefined,
  lack: devicesLack,
  reasons: devicesReasons,
};

const predicates: readonly Predicate[] = [
  connected,
  willing,
  open,
  named,
  capable,
  unpressed,
  slots,
  cpu,
  memory,
  disk,
  labelled,
  ...offerPredicates,
  hosting,
  owning,
  devices,
];

/** 0: the worker can take the shape. */
export function lackOf(shape: Shape, worker: WorkerView, report: WorkerReport, mode: Mode): number {
  let total = 0;
  for (const predicate of predicates) total += predicate.lack(shape, worker, report, mode);
  return total;
}

/** Of shapes, those that may fail of them: many workers are looked at for each. */
const concerning = new WeakMap<Shape, readonly Predicate[]>();

function concerningOf(shape: Shape): readonly Predicate[] {
  let found = concerning.get(shape);
  if (found === undefined) {
    found = predicates.filter(({ concerns }) => concerns === undefined || concerns(shape));
    concerning.set(shape, found);
  }
  return found;
}

/** Whether `lackOf` is 0 now, found out as cheaply as may be. */
export function isFeasible(shape: Shape, worker: WorkerView, report: WorkerReport): boolean {
  const { gpu } = shape.resources;
  // Of most grids few have devices: those that have none are told by one look.
  if (gpu !== undefined && report.devices.length < devicesWanted(gpu)) return false;
  const concerned = concerningOf(shape);
  for (let at = 0; at < concerned.length; at += 1)
    if ((concerned[at] as Predicate).lack(shape, worker, report, 'now') > 0) return false;
  return true;
}

/** One reason or more for each predicate that does not hold; empty exactly when `lackOf` is 0. */
export function reasonsOf(shape: Shape, worker: WorkerView, report: WorkerReport, mode: Mode): string[] {
  return predicates.flatMap((predicate) =>
    predicate.lack(shape, worker, report, mode) > 0 ? predicate.reasons(shape, worker, report, mode) : [],
  );
}

function isPressed({ kind }: Shape, { pressures }: WorkerReport): boolean {
  if (pressures !== undefined) for (const { stops } of pressures) if (stops.includes(kind)) return true;
  return false;
}

interface Amounts {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

function amount(name: string, format: (value: number) => string, of: (has: Amounts) => number): Predicate {
  return {
    concerns: ({ resources }) => of(resources) > 0,
    lack: ({ resources }, worker, report, mode) =>
      missing(of(resources), of(report) - (mode === 'now' ? of(worker.ledger) : 0)),
    reasons: ({ resources }, worker, report) => {
      const [asked, has, held] = [of(resources), of(report), of(worker.ledger)];
      return shortage(name, format, asked, has, Math.max(0, has - held));
    },
  };
}

/** `others`: what else holds of it. */
function shortage(
  name: string,
  format: (value: number) => string,
  asked: number,
  has: number,
  free: number,
  others: readonly string[] = [],
): string[] {
  if (asked > has)
    return [`${name}: ${format(asked)} asked, it has ${format(has)}: ${format(asked - has)} short`];
  const also = others.length === 0 ? '' : ` (${others.join(', ')})`;
  return [
    `${name}: ${format(asked)} asked, ${format(free)} free of ${format(has)}${also}: ${format(asked - free)} short`,
  ];
}

function missing(asked: number, has: number): number {
  return asked > 0 && asked > has ? Math.min(1, (asked - has) / asked) : 0;
}

/** Further than any one device can be: a machine without a card is never the nearest when another has one. */
const NO_DEVICE = 4;

function devicesLack({ resources }: Shape, worker: WorkerView, report: WorkerReport, mode: Mode): number {
  const { gpu } = resources;
  if (gpu === undefined) return 0;
  const wanted = devicesWanted(gpu);
  let suitable = 0;
  let least = NO_DEVICE;
  for (const device of report.devices) {
    const lack = deviceLack(gpu, device, worker.ledger.devices.get(device.uuid), mode);
    if (lack === 0) suitable += 1;
    else least = Math.min(least, lack);
    if (suitable === wanted) return 0;
  }
  return suitable === 0 ? least : (wanted - suitable) / wanted;
}

function devicesReasons(
  { resources }: Shape,
  worker: WorkerView,
  report: WorkerReport,
  mode: Mode,
): string[] {
  const { gpu } = resources;
  if (gpu === undefined) return [];
  if (report.devices.length === 0) return ['has no device'];
  const heldOf = (device: Device) => worker.ledger.devices.get(device.uuid);
  if (gpu.kind === 'parts') return partsReasons(gpu, report.devices, heldOf, mode);
  const unsuitable = report.devices.filter((device) => deviceLack(gpu, device, heldOf(device), mode) > 0);
  const reasons = unsuitable.map((device) => deviceReason(gpu, device, heldOf(device), mode));
  if (gpu.kind === 'part' || gpu.count === 1) return reasons;
  const suitable = report.devices.length - unsuitable.length;
  return [
    `${gpu.count} whole devices asked, ${suitable} of its ${report.devices.length} will do`,
    ...reasons,
  ];
}

/** Of the devices that it names; of others nothing is asked. */
function partsReasons(
  gpu: Parts,
  devices: readonly Device[],
  heldOf: (device: Device) => Held,
  mode: Mode,
): string[] {
  return gpu.parts.flatMap(({ uuid }) => {
    const device = devices.find((one) => one.uuid === uuid);
    if (device === undefined) return [`has no device ${uuid}`];
    const held = heldOf(device);
    return deviceLack(gpu, device, held, mode) > 0 ? [deviceReason(gpu, device, held, mode)] : [];
  });
}
