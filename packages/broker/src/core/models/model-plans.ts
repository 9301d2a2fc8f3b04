/**
 * Where the next instance of a model goes: on the worker and device that hold it best now, or why nowhere.
 *
 * 1. Of what each worker could have of it, plan-choice.ts says which.
 * 2. What is planned is asked for as any task asks, and held against the ledger as any: nothing is placed here. Of several
 *    devices it gets all that it asks for at once, or nothing.
 * 3. Divided only where an engine there is known to keep to the division.
 */
import type {
  Device,
  DevicePart,
  DeviceUuid,
  Envelope,
  GpuRequest,
  ModelSpec,
  Resources,
  WorkerId,
} from '@gryphgen/protocol';
import { formatBytes } from '@gryphgen/protocol';
import {
  estimateMemory,
  explain,
  freeVram,
  type ModelPlan,
  type ModelSeat,
  mayDivide,
  offloadLast,
  planModel,
  type WorkerView,
} from '@gryphgen/scheduler';
import type { ForeseenLoad } from './foreseen-speeds.ts';
import { slotsLabel } from './hosting.ts';
import { lackWords, type MemoryLack, narrowed } from './memory-lacks.ts';
import { deviceOverheadBytes, settingsOf } from './model-settings.ts';
import { type Choice, chosen } from './plan-choice.ts';

export interface InstancePlan {
  readonly worker: WorkerId;
  readonly resources: Resources;
  readonly deviceLayers: number;
  /** None: on the host. In the order in which layers go on them. */
  readonly devices: readonly { readonly device: DeviceUuid; readonly layers: number }[];
  /** Where and why, for people. */
  readonly words: string;
  /** What the first answer there would take, its load before it; missing where either is not known. */
  readonly answerMs?: number;
}

export interface NoPlan {
  /** Of each worker that could serve models at all. */
  readonly reasons: readonly string[];
}

export interface PlanOptions {
  /** Come last: it failed there. */
  readonly shunned: ReadonlySet<WorkerId>;
  /** Have one on their host already: a second there would only halve what the first has. */
  readonly onHost: ReadonlySet<WorkerId>;
  /** Where less is to be taken of a device than there seems to be. */
  readonly lacks: ReadonlyMap<WorkerId, MemoryLack>;
  /** How many times what is estimated of a device such an instance takes there, as was seen. */
  readonly deviceFactor: (worker: WorkerId) => number;
  /** How fast one more would write there, as far as that is known; and how long it would load, in ms. */
  readonly tokensPerS: (view: WorkerView, seat: ModelSeat) => number | undefined;
  readonly load: (view: WorkerView) => ForeseenLoad;
}

/** Workers looked at for a part of a model, the fastest first: some ms each, in the broker's loop. */
const mostInPart = 32;
/** llama-server's own program and buffers, beside what the model takes. */
const serverBytes = 128 * 1024 ** 2;
/** Its own and one for a request: without that nobody could ask it. */
const slotsNeeded = 2;
/** A device's server mostly waits for the device. */
const deviceCpuMilli = 1000;

export function planInstance(
  spec: ModelSpec,
  views: readonly WorkerView[],
  options: PlanOptions,
): InstancePlan | NoPlan {
  const able = views
    .filter((view) => view.report?.capabilities.includes('instance') && isPlace(spec, view))
    .sort((a, b) => (b.report?.speed ?? 0) - (a.report?.speed ?? 0) || (a.id < b.id ? -1 : 1));
  const reasons: string[] = [];
  const found: Choice[] = [];
  // How many layers a device takes in part costs a thousand looks at what they take: only where nothing holds all.
  const bytes = wholeBytes(spec);
  for (const view of able)
    if (mayHoldWhole(view, bytes * options.deviceFactor(view.id)))
      found.push(...wholeOn(spec, view, options));
  const whole = found.filter(({ kind: [shunned] }) => shunned === 0);
  const plan = chosen(whole);
  if (plan !== undefined) return plan;
  for (const view of able.slice(0, mostInPart)) {
    const inPart = inPartOn(spec, view, options);
    if ('reasons' in inPart) reasons.push(...inPart.reasons);
    else found.push(...inPart);
  }
  return (
    chosen(found) ?? {
      reasons: reasons.length > 0 ? reasons : [nowhereWords(spec)],
    }
  );
}

/** Where it is pinned, if it is. */
export function isPlace({ pinned }: Pick<ModelSpec, 'pinned'>, { id, name, report }: WorkerView): boolean {
  const { worker = id, device } = pinned ?? {};
  return (
    (worker === id || worker === name) &&
    (device === undefined || (report?.devices.some(({ uuid }) => uuid === device) ?? false))
  );
}

/** Those that it may compute on. */
export function devicesFor({ pinned }: Pick<ModelSpec, 'pinned'>, { report }: WorkerView): readonly Device[] {
  const { device } = pinned ?? {};
  return (report?.devices ?? []).filter(({ uuid }) => device === undefined || uuid === device);
}

function nowhereWords({ pinned }: ModelSpec): string {
  return pinned === undefined
    ? 'no worker here has an engine that serves models'
    : 'where it is pinned, no worker with an engine that serves models is connected';
}

/** What a device takes of it that holds all of it. */
function wholeBytes(spec: ModelSpec): number {
  const { length } = spec.description.layers;
  const offload = offloadLast(length, length + 1, [1]);
  const estimate = estimateMemory(spec.description, settingsOf(spec), offload, deviceOverheadBytes);
  return estimate.devices[0]?.totalBytes ?? 0;
}

function mayHoldWhole({ report, ledger }: WorkerView, bytes: number): boolean {
  return (
    report?.devices.some((device) => freeVram(device, ledger.devices.get(device.uuid), 'now') >= bytes) ??
    false
  );
}

/** On the device that planModel prefers there. */
function wholeOn(spec: ModelSpec, view: WorkerView, options: PlanOptions): readonly Choice[] {
  const plan = planned(spec, view, options, devicesFor(spec, view));
  // Its reasons are told where it is looked at in part.
  if (plan.kind !== 'whole') return [];
  const found = choiceOf(spec, view, plan, options);
  return lacksOn(spec, view, found.plan) === undefined ? [found] : [];
}

/** With each device alone, with all together, or else with none. */
function inPartOn(spec: ModelSpec, view: WorkerView, options: PlanOptions): readonly Choice[] | NoPlan {
  const { report } = view;
  if (report === null) return { reasons: [`${view.name} has not been heard of`] };
  const reasons: string[] = [];
  const found: Choice[] = [];
  const consider = (devices: readonly Device[]): void => {
    const plan = planned(spec, view, options, devices);
    if (plan.kind === 'no') {
      reasons.push(...plan.reasons);
      return;
    }
    if (plan.kind === 'host' && devices.length > 0) return;
    if (plan.kind === 'host' && options.onHost.has(view.id)) {
      reasons.push(`${view.name} has an instance of it on the host already`);
      return;
    }
    const choice = choiceOf(spec, view, plan, options);
    const lacks = lacksOn(spec, view, choice.plan);
    if (lacks === undefined) found.push(choice);
    else reasons.push(lacks);
  };
  const devices = devicesFor(spec, view);
  for (const device of devices) consider([device]);
  if (devices.length > 1 && mayDivide(report)) consider(devices);
  if (found.length === 0) {
    if (spec.pinned?.device === undefined) consider([]);
    else reasons.push(`${view.name}: nothing of it fits on ${spec.pinned.device}, to which it is pinned`);
  }
  return found.length > 0
    ? found
    : { reasons: [...new Set(reasons)].map((words) => named(view.name, words)) };
}

function planned(
  { description, serving }: ModelSpec,
  view: WorkerView,
  { lacks, deviceFactor, tokensPerS }: PlanOptions,
  devices: readonly Device[],
): ModelPlan {
  const room = narrowed(view, lacks.get(view.id));
  return planModel(
    description,
    settingsOf({ description, serving }),
    { ...room, report: view.report && { ...view.report, devices } },
    deviceOverheadBytes,
    deviceFactor(view.id),
    (seat) => tokensPerS(view, seat),
  );
}

function choiceOf(
  { serving: { threads } }: ModelSpec,
  view: WorkerView,
  plan: ModelPlan,
  { shunned, lacks, tokensPerS, load }: PlanOptions,
): Choice {
  const { report, name } = view;
  const { estimate } = plan;
  const on = plan.devices.map(({ device, layers }, at) => {
    return { device, layers, vramBytes: estimate?.devices[at]?.totalBytes ?? 0 };
  });
  const memoryBytes = (estimate?.host.totalBytes ?? 0) + serverBytes;
  const layers = on.reduce((sum, each) => sum + each.layers, 0);
  const all = layers + plan.hostLayers;
  const usual = plan.hostLayers === 0 ? deviceCpuMilli : hostCpuMilli(view);
  const cpuMilli = threads === undefined ? usual : 1000 * threads;
  const lack = lacks.get(view.id);
  const isOther =
    on.length > 0 && !on.some(({ device }) => lack?.some(({ uuid }) => uuid === device.uuid) ?? false);
  const where =
    on.length === 0
      ? `all of it on the host, ${formatBytes(memoryBytes)} of memory`
      : on
          .map((each, at) => {
            const count = at === 0 ? `${each.layers} of ${all} layers` : String(each.layers);
            return `${count} on ${each.device.name}, ${formatBytes(each.vramBytes)} of its memory`;
          })
          .join('; ');
  const words = `on ${name}: ${where}${plan.preferred === undefined ? '' : `; ${plan.preferred}`}`;
  const hostShare = plan.hostLayers / all;
  return {
    plan: {
      worker: view.id,
      resources: {
        ...{ cpuMilli, memoryBytes, diskBytes: 0 },
        ...(on.length > 0 && { gpu: asked(on.map((each) => ({ ...each, uuid: each.device.uuid }))) }),
      },
      deviceLayers: layers,
      devices: plan.devices.map(({ device, layers: count }) => ({ device: device.uuid, layers: count })),
      words: isOther ? words : words + lackWords(view, lack),
    },
    kind: [shunned.has(view.id) ? 1 : 0, ...kindRank(hostShare, on.length)],
    before: [hostShare, on.length, -(report?.speed ?? 0)],
    place: on.length === 0 ? name : `${on.map(({ device }) => device.name).join(' and ')} of ${name}`,
    tokensPerS: tokensPerS(view, plan),
    load: load(view),
  };
}

/** Of those in part, how much of it is where is of account only as far as it is slower so. */
function kindRank(hostShare: number, devices: number): readonly [kind: number, devices: number] {
  if (hostShare === 0) return [0, devices];
  return hostShare < 1 ? [1, 0] : [2, 0];
}

/** One is asked for as a part that may be anywhere is, so that older workers know it. */
function asked(parts: readonly DevicePart[]): GpuRequest {
  const [one, ...others] = parts;
  if (one !== undefined && others.length === 0)
    return { kind: 'part', vramBytes: one.vramBytes, uuid: one.uuid };
  return { kind: 'parts', parts: parts.map(({ uuid, vramBytes }) => ({ uuid, vramBytes })) };
}

/** Half of the machine, but no more than is free: the other half is for what else is to be done there. */
function hostCpuMilli({ report, ledger }: WorkerView): number {
  const all = report?.cpuMilli ?? 0;
  const free = all - ledger.cpuMilli;
  return Math.max(Math.min(deviceCpuMilli, all), Math.min(free, Math.floor(all / 2)));
}

/** What the plan does not look at: CPU, slots, pressures, and the memory of the server itself. */
function lacksOn({ name }: ModelSpec, view: WorkerView, { resources }: InstancePlan): string | undefined {
  const { slots = 0 } = view.report ?? {};
  const free = slots - view.ledger.attempts;
  if (free < slotsNeeded)
    return `${view.name}: ${free} of its ${slots} slots are free, an instance and who asks it need ${slotsNeeded}`;
  const shape = { kind: 'instance', resources, constraints: { labels: {} }, model: name } as const;
  const [found] = explain(shape, [view]).workers;
  return found?.feasible ? undefined : `${view.name}: ${found?.reasons?.join(', ') ?? 'is not known'}`;
}

function named(worker: string, words: string): string {
  return words.includes(worker) ? words : `${worker}: ${words}`;
}

/** As a task. Its kind is told by `instance`, its worker by the plan. */
export function envelopeOf(
  { name, artifact, serving: { slots } }: ModelSpec,
  { worker, resources }: InstancePlan,
  usualSlots: number,
): Envelope {
  return {
    kind: 'instance',
    name,
    resources,
    durable: true,
    priority: 0,
    retries: { limit: 0, backoffMs: 1000 },
    restart: 'on-failure',
    timeoutMs: 0,
    queueTimeoutMs: 0,
    // It is of no use to those who ask it while its machine is cut off, and stays loaded for as long as that is short.
    onLinkLost: 'move',
    labels: slots === usualSlots ? {} : { [slotsLabel]: String(slots) },
    constraints: { worker, labels: {} },
    preemptible: false,
    inputs: [artifact],
    model: name,
    taskClass: `instance ${name}`,
  };
}
