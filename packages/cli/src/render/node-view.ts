/** Machines and their devices, with what the ledger holds of each. */
import {
  type Device,
  formatBytes,
  formatComputeCapability,
  formatDuration,
  formatTime,
  type Hardware,
  type ModelEngine,
  type NodeDocument,
  type Offers,
  pressureWords,
} from '@gryphgen/protocol';
import { printable, printableDocument } from '../printable.ts';
import type { Style } from '../terminal.ts';
import { calibrationWords, modelRateWords } from './calibration-words.ts';
import { placesWords } from './engine-view.ts';
import { freeOn, ledgerTable } from './ledger-view.ts';
import { predictionTable, predictionWords } from './prediction-view.ts';
import { type Column, table } from './table.ts';
import { pairs } from './task-view.ts';

/** What is not known of a worker that has not reported is null. */
export function nodeJson(node: NodeDocument) {
  const { id, name, state, drain, windows = [], report, reserved, ledger, doubts = [], tasks, ghosts } = node;
  return {
    id,
    name,
    state,
    draining: isDraining(node),
    drainUntil: drain?.until ? formatTime(drain.until) : null,
    windows: windows.map(({ at, until, deadlineMs, begun }) => ({
      at: formatTime(at),
      until: until === 0 ? null : formatTime(until),
      deadlineMs: deadlineMs ?? null,
      begun,
    })),
    cpuMilli: report?.cpuMilli ?? null,
    memoryBytes: report?.memoryBytes ?? null,
    diskBytes: report?.diskBytes ?? null,
    slots: report?.slots ?? null,
    capabilities: report?.capabilities ?? [],
    labels: report?.labels ?? {},
    images: report?.images ?? [],
    warm: report?.warm ?? 0,
    engines: report?.engines ?? [],
    version: report?.version ?? null,
    hardware: report?.hardware ?? null,
    calibration: report?.calibration ?? null,
    offers: report?.offers ?? null,
    troubles: [...(report?.troubles ?? []), ...doubts],
    predictions: node.predictions ?? [],
    pressures: report?.pressures ?? [],
    devices: (report?.devices ?? []).map((device) => ({
      uuid: device.uuid,
      name: device.name,
      vramBytes: device.vramBytes,
      computeCapability: formatComputeCapability(device.computeCapability),
      driver: device.driver,
      temperatureC: device.temperatureC ?? null,
      maxTemperatureC: device.maxTemperatureC ?? null,
      powerW: device.powerW ?? null,
      clockMHz: device.clockMHz ?? null,
      maxClockMHz: device.maxClockMHz ?? null,
      memoryClockMHz: device.memoryClockMHz ?? null,
      foreignBytes: device.foreignBytes,
      observedBytes: device.gridBytes ?? null,
      freeBytes: freeOn(node, device),
      foreign: device.foreign ?? [],
      pressure: device.pressure ?? null,
      reservedBytes: reserved.devices.find(({ uuid }) => uuid === device.uuid)?.vramBytes ?? 0,
    })),
    reserved: {
      cpuMilli: reserved.cpuMilli,
      memoryBytes: reserved.memoryBytes,
      diskBytes: reserved.diskBytes,
      attempts: reserved.attempts,
    },
    observed: ledger?.observed ?? null,
    foreignBytes: report?.foreignBytes ?? null,
    beyondBytes: ledger?.beyondBytes ?? null,
    free: ledger && { cpuMilli: ledger.free.cpuMilli, memoryBytes: ledger.free.memoryBytes },
    tasks,
    ghosts,
  };
}

export function nodeTable(nodes: readonly NodeDocument[], style: Style, columns: number): readonly string[] {
  const layout: readonly Column<NodeDocument>[] = [
    { title: 'NODE', value: ({ name }) => name },
    { title: 'ID', value: ({ id }) => id },
    { title: 'STATE', value: (node) => nodeWords(node, style) },
    { title: 'CPU', value: (node) => used(node, ({ cpuMilli }) => cpuMilli, cpus), right: true },
    {
      title: 'MEMORY',
      value: (node) => used(node, ({ memoryBytes }) => memoryBytes, formatBytes),
      right: true,
    },
    { title: 'TASKS', value: ({ tasks }) => String(tasks.length), right: true },
    ...(nodes.some(({ predictions = [] }) => predictions.length > 0)
      ? [{ title: 'FORETOLD OFF BY', value: (node: NodeDocument) => predictionWords(node) || '-' }]
      : []),
    { title: 'GPUS', value: gpus },
  ];
  return table(printableDocument(nodes), layout, columns);
}

/** `data`: how its logs and files come to this machine; null where that is not known. */
export function nodeLines(
  document: NodeDocument,
  style: Style,
  columns: number,
  data: { readonly words: string } | null = null,
): readonly string[] {
  const node = printableDocument(document);
  const { report, reserved, doubts = [] } = node;
  const facts: readonly (readonly [string, string])[] = [
    ['id', node.id],
    ['state', nodeWords(node, style)],
    ...windowFacts(node),
    ['cpu', used(node, ({ cpuMilli }) => cpuMilli, cpus)],
    ['memory', used(node, ({ memoryBytes }) => memoryBytes, formatBytes)],
    ['disk', used(node, ({ diskBytes }) => diskBytes, formatBytes)],
    ['slots', report === null ? '' : `${reserved.attempts} / ${report.slots}`],
    ['runs', report?.capabilities.join(' ') ?? ''],
    ['labels', pairs(report?.labels ?? {})],
    ['images', String(report?.images.length ?? 0)],
    ['warm', report?.warm === undefined ? '' : `${report.warm} containers wait for a task`],
    ['models', (report?.engines ?? []).map(engineWords).join('; ')],
    ...offerFacts(report?.offers),
    ['tasks', node.tasks.join(' ')],
    ['ghosts', node.ghosts === 0 ? '' : String(node.ghosts)],
    ...hardwareFacts(report?.hardware),
    ['speed', report?.calibration === undefined ? '' : calibrationWords(report.calibration)],
    ...(report?.calibration?.models ?? []).map(
      (rate) => ['llama', modelRateWords(rate, report?.devices ?? [])] as const,
    ),
    ['data', data === null ? '' : printable(data.words)],
    ['version', report?.version ?? ''],
  ];
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${style.dim(name.padEnd(8))} ${value}`);
  const devices = report?.devices ?? [];
  return [
    style.bold(node.name),
    ...lines,
    '',
    ...ledgerTable([node], columns),
    ...(devices.length === 0 ? [] : [...deviceTable(node, columns), ...devices.flatMap(foreignLines)]),
    ...predictionTable(node, columns),
    ...pressureLines(report).map((words) => style.yellow(words)),
    ...[...(report?.troubles ?? []), ...doubts].map((words) => style.yellow(`trouble: ${words}`)),
  ];
}

function engineWords(engine: ModelEngine): string {
  return `by ${engine.name} ${engine.version}, on ${placesWords(engine)}`;
}

/** Each drain that is planned, or has begun by plan. */
function windowFacts({ windows = [] }: NodeDocument): readonly (readonly [string, string])[] {
  return windows.map(({ at, until, deadlineMs, begun }) => {
    const end = until === 0 ? 'until it is resumed' : `until ${formatTime(until)}`;
    const deadline =
      deadlineMs === undefined
        ? ''
        : `, what still runs is stopped ${formatDuration(deadlineMs)} after its begin`;
    return ['drain', `${begun ? 'since' : 'planned for'} ${formatTime(at)}, ${end}${deadline}`];
  });
}

/** What containers may have here. */
function offerFacts(offers: Offers | undefined): readonly (readonly [string, string])[] {
  if (offers === undefined) return [];
  const { images, mounts, networks, runtimes, root, ports } = offers;
  return [
    ['allows', images === undefined ? '' : `images ${images.join(' ')}`],
    ['mounts', mounts.map(({ name, write }) => `${name}${write ? ':rw' : ''}`).join(' ')],
    ['networks', networks.join(' ')],
    ['runtimes', runtimes.join(' ')],
    ['ports', ports === undefined ? '' : `may be published (${ports})`],
    ['root', root ? 'may be root in a container' : ''],
  ];
}

/** Each pressure, and what it keeps away. */
function pressureLines(report: NodeDocument['report']): readonly string[] {
  const { pressures = [], devices = [], capabilities = [] } = report ?? {};
  const stopped = (stops: readonly string[]): string => {
    if (stops.length === 0) return 'stops nothing';
    return capabilities.every((kind) => stops.includes(kind))
      ? 'nothing new'
      : `nothing new of ${stops.join(', ')}`;
  };
  return [
    ...pressures.map((pressure) => `${pressureWords(pressure)} (${stopped(pressure.stops)})`),
    ...devices.flatMap(({ name, pressure }) =>
      pressure === undefined ? [] : [`${name} is ${pressureWords(pressure)} (nothing new on it)`],
    ),
  ];
}

function hardwareFacts(hardware: Hardware | undefined): readonly (readonly [string, string])[] {
  if (hardware === undefined) return [];
  const { cpu, swapBytes, system, disks, networks, engines } = hardware;
  const cache = cpu.cacheBytes === 0 ? '' : `, ${formatBytes(cpu.cacheBytes)} cache`;
  return [
    ['machine', `${cpu.model}, ${cpu.cores} cores, ${cpu.threads} threads${cache}`],
    ['swap', swapBytes === 0 ? '' : formatBytes(swapBytes)],
    ['system', system],
    [
      'disks',
      disks.map(({ name, kind, sizeBytes }) => `${name} ${kind} ${formatBytes(sizeBytes)}`).join(', '),
    ],
    [
      'network',
      networks.map(({ name, mbitPerS }) => (mbitPerS === 0 ? name : `${name} ${mbitPerS} Mbit/s`)).join(', '),
    ],
    ['engines', engines.join(', ')],
  ];
}

function foreignLines({ name, foreign = [] }: Device): readonly string[] {
  return foreign.map(
    (use) => `${name}: ${use.name} (pid ${use.pid}) holds ${formatBytes(use.vramBytes)} outside the grid`,
  );
}

function reading(value: number | undefined, unit: string): string {
  return value === undefined ? '-' : `${Math.round(value)} ${unit}`;
}

function deviceTable({ report }: NodeDocument, columns: number): readonly string[] {
  return [
    '',
    ...table(
      report?.devices ?? [],
      [
        { title: 'GPU', value: ({ name }) => name },
        { title: 'UUID', value: ({ uuid }) => uuid },
        { title: 'VRAM', value: ({ vramBytes }) => formatBytes(vramBytes), right: true },
        {
          title: 'CC',
          value: ({ computeCapability }) => formatComputeCapability(computeCapability),
          right: true,
        },
        { title: 'TEMP', value: ({ temperatureC }) => reading(temperatureC, '°C'), right: true },
        { title: 'POWER', value: ({ powerW }) => reading(powerW, 'W'), right: true },
        { title: 'CLOCK', value: ({ clockMHz }) => reading(clockMHz, 'MHz'), right: true },
      ],
      columns,
    ),
  ];
}

export function isDraining({ state, drain }: NodeDocument): boolean {
  return drain !== undefined || state === 'draining';
}

/** Attempts there, fenced ones included; those that have ended and are not journaled yet run no more. */
export function runningOn({ reserved }: NodeDocument): number {
  return reserved.attempts;
}

/** `ready, to be drained at …`, `draining until 2026-11-21T14:30:05Z, 2 running`; a pressure that stops something is as much as a drain. */
export function nodeWords(node: NodeDocument, style: Style): string {
  const { state, drain, windows = [], report } = node;
  const next = windows.find(({ begun }) => !begun);
  const names = [
    ...(report?.pressures ?? []).filter(({ stops }) => stops.length > 0).map(({ name }) => name),
    ...(report?.devices ?? []).flatMap(({ name, pressure }) =>
      pressure === undefined ? [] : `${pressure.name} ${name}`,
    ),
  ];
  const until = drain?.until ? ` until ${formatTime(drain.until)}` : '';
  return [
    ...(state === 'draining' ? [] : [state === 'ready' ? style.green(state) : style.red(state)]),
    ...(isDraining(node) ? [style.yellow(`draining${until}, ${runningOn(node)} running`)] : []),
    ...(next === undefined ? [] : [style.yellow(`to be drained at ${formatTime(next.at)}`)]),
    ...new Set(names.map((name) => style.yellow(name))),
  ].join(', ');
}

type Amounts = Pick<NodeDocument['reserved'], 'cpuMilli' | 'memoryBytes' | 'diskBytes'>;

function used(
  { report, reserved }: NodeDocument,
  pick: (amounts: Amounts) => number,
  format: (amount: number) => string,
): string {
  return report === null ? '-' : `${format(pick(reserved))} / ${format(pick(report))}`;
}

function cpus(milli: number): string {
  return String(milli / 1000);
}

function gpus({ report }: NodeDocument): string {
  const names = (report?.devices ?? []).map(({ name, vramBytes }) => `${name} ${formatBytes(vramBytes)}`);
  return names.length === 0 ? '-' : names.join(', ');
}
