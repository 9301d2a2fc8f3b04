/**
 * Where a model fits on a worker as it is now: whole on one device, divided over several, in part with the rest on the host, on
 * the host alone, or not; and of each device why it is not the answer.
 *
 * 1. What is free is what the ledger gives away: nothing wholly held, held outside the grid, or under pressure.
 * 2. Whole comes before divided, and fewer devices before more: each further one is waited for at every token.
 * 3. A device that no engine there computes on holds nothing of a model.
 * 4. Of devices that each hold it whole, the one that writes fastest; of those about as fast, or where that is not known, the one
 *    that has least left after it.
 * 5. Divided only where an engine is known to keep to what each device is to hold.
 */
import type { Device, ModelDescription, ModelEngine, WorkerReport } from '@gryphgen/protocol';
import { formatBytes, formatComputeCapability, limits } from '@gryphgen/protocol';
import { freeVram, isBefore } from '../device-fit.ts';
import { deviceReason } from '../device-reason.ts';
import { freeMemory } from '../memory-fit.ts';
import type { WorkerView } from '../worker-view.ts';
import type { ModelSettings } from './cache-memory.ts';
import { type Division, divideModel } from './divide-model.ts';
import { estimateMemory, type MemoryEstimate } from './estimate-memory.ts';
import { offloadLast } from './offload.ts';
import { swiftest } from './swiftest.ts';

export interface ModelPlan {
  readonly kind: 'whole' | 'divided' | 'partly' | 'host' | 'no';
  /** What holds layers, in the order of `estimate.devices`, and how many, the output included. */
  readonly devices: readonly { readonly device: Device; readonly layers: number }[];
  /** Of the host, all layers are on devices but for these. */
  readonly hostLayers: number;
  /** Absent when it does not fit. */
  readonly estimate?: MemoryEstimate;
  /** Why on this device and not on another that holds all of it, where one was passed over. */
  readonly preferred?: string;
  /** In words: the answer, and why nothing that comes before it was. */
  readonly reasons: readonly string[];
}

/** What holds layers of a model. */
export type ModelSeat = Pick<ModelPlan, 'kind' | 'devices' | 'hostLayers'>;

/**
 * `deviceFactor`: how much more of a device such a model was seen to take than is estimated. `tokensPerS`: how fast it would write
 * on a seat there, as far as that is known.
 */
export function planModel(
  model: ModelDescription,
  settings: ModelSettings,
  view: WorkerView,
  overheadBytes: number,
  deviceFactor = 1,
  tokensPerS: (seat: ModelSeat) => number | undefined = () => undefined,
): ModelPlan {
  const { report } = view;
  if (report === null) return no([`${view.name} has not been heard of`]);
  if (!view.connected) return no([`${view.name} is not connected`]);
  if (view.draining) return no([`${view.name} is draining`]);
  return new Planner(model, settings, view, report, { overheadBytes, deviceFactor, tokensPerS }).plan();
}

export function tokensWords(tokensPerS = 0): string {
  return `${tokensPerS < 10 ? tokensPerS.toFixed(1) : Math.round(tokensPerS)} tokens/s`;
}

const no = (reasons: readonly string[]): ModelPlan => ({ kind: 'no', devices: [], hostLayers: 0, reasons });

/** As a worker tells of its engines; one of a version before them does not. */
export function mayDivide({ engines }: Pick<WorkerReport, 'engines'>): boolean {
  return engines?.some((engine) => engine.divides === true && computesOnDevices(engine)) ?? false;
}

function computesOnDevices({ backends }: ModelEngine): boolean {
  return backends.some((backend) => backend !== 'cpu');
}

/** CUDA builds have no code for cards that are too old for them. */
function computesOn({ backends, leastCapability = 0 }: ModelEngine, { computeCapability }: Device): boolean {
  const isTooOld = computeCapability > 0 && computeCapability < leastCapability;
  return backends.some((backend) => backend !== 'cpu' && !(backend === 'cuda' && isTooOld));
}

interface Room {
  readonly device: Device;
  readonly freeBytes: number;
}

/** Beside what the file says: what it takes of each device, and how fast it writes. */
interface Known {
  readonly overheadBytes: number;
  readonly deviceFactor: number;
  readonly tokensPerS: (seat: ModelSeat) => number | undefined;
}

class Planner {
  private readonly model: ModelDescription;
  private readonly settings: ModelSettings;
  private readonly view: WorkerView;
  private readonly more: Known;
  /** Of every device, that with most free first. */
  private readonly rooms: readonly Room[];
  /** Engines that divide; undefined where nothing is told of any. */
  private readonly dividers: readonly ModelEngine[] | undefined;
  /** Devices that it may be divided over. */
  private readonly most: number;
  private readonly hostBytes: number;
  private readonly all: number;
  private readonly reasons: string[] = [];

  constructor(
    model: ModelDescription,
    settings: ModelSettings,
    view: WorkerView,
    report: WorkerReport,
    more: Known,
  ) {
    this.model = model;
    this.settings = settings;
    this.view = view;
    this.more = more;
    this.all = model.layers.length + 1;
    this.hostBytes = freeMemory(view, report);
    // Of a machine without an engine it is told what one there could do.
    this.most = report.engines === undefined || mayDivide(report) ? limits.modelDevices : 1;
    const isOfUse = (device: Device) => report.engines?.some((engine) => computesOn(engine, device)) ?? true;
    const usable = report.devices.filter(isOfUse);
    if (usable.length === 0 && report.devices.length > 0)
      this.reasons.push(`${view.name} has no llama-server that computes on its devices`);
    else
      for (const { name, computeCapability } of report.devices.filter((device) => !usable.includes(device)))
        this.reasons.push(
          `${view.name} has no llama-server that computes on ${name} (compute capability ${formatComputeCapability(computeCapability)})`,
        );
    this.dividers = report.engines?.filter((engine) => engine.divides === true);
    this.rooms = usable
      .map((device) => ({ device, freeBytes: this.freeOf(device) }))
      .sort((a, b) => b.freeBytes - a.freeBytes || (isBefore(a.device, b.device) ? 1 : -1));
  }

  plan(): ModelPlan {
    return this.whole() ?? this.divided() ?? this.partly() ?? this.onHost() ?? no(this.reasons);
  }

  private freeOf(device: Device): number {
    const held = this.view.ledger.devices.get(device.uuid);
    if (held?.whole || device.pressure !== undefined) return 0;
    return Math.max(0, freeVram(device, held, 'now'));
  }

  private whole(): ModelPlan | undefined {
    const offload = offloadLast(this.model.layers.length, this.all, [1]);
    const { overheadBytes, deviceFactor } = this.more;
    const estimate = estimateMemory(this.model, this.settings, offload, overheadBytes, deviceFactor);
    const need = estimate.devices[0]?.totalBytes ?? 0;
    const fits = this.rooms.filter(({ freeBytes }) => freeBytes >= need);
    for (const { device } of this.rooms.filter((room) => !fits.includes(room))) {
      const held = this.view.ledger.devices.get(device.uuid);
      this.reasons.push(deviceReason({ kind: 'part', vramBytes: need }, device, held, 'now'));
    }
    const [room, preferred] = this.swiftestOf(fits.reverse());
    if (room === undefined || !this.hostHolds(estimate, 'all of it on a device')) return undefined;
    const left = formatBytes(room.freeBytes - need);
    const fit = `fits whole on ${room.device.name}: ${formatBytes(need)} of ${formatBytes(room.freeBytes)} free, ${left} left`;
    const words = preferred === undefined ? fit : `${fit}; ${preferred}`;
    const plan = this.answer('whole', [room], { counts: [this.all], estimate }, words);
    return preferred === undefined ? plan : { ...plan, preferred };
  }

  /** `rooms`: that with least free first. */
  private swiftestOf(rooms: readonly Room[]): readonly [room?: Room, preferred?: string] {
    const [least] = rooms;
    if (least === undefined || rooms.length === 1) return [least];
    const speeds = new Map(
      rooms.map((room) => {
        const devices = [{ device: room.device, layers: this.all }];
        return [room, this.more.tokensPerS({ kind: 'whole', devices, hostLayers: 0 })];
      }),
    );
    const takes = (room: Room): number | undefined => {
      const tokensPerS = speeds.get(room);
      return tokensPerS && 1 / tokensPerS;
    };
    const [room = least] = swiftest(rooms, takes);
    if (room === least) return [least];
    const on = (each: Room) => `${each.device.name} (${tokensWords(speeds.get(each))})`;
    return [room, `it writes faster on ${on(room)} than on ${on(least)}`];
  }

  private divided(): ModelPlan | undefined {
    const free = this.divisible();
    if (this.most < 2 && free.length > 1)
      this.reasons.push(`${this.view.name} has no llama-server that divides a model over devices`);
    const most = Math.min(this.most, free.length);
    for (let devices = 2; devices <= most; devices++) {
      const rooms = free.slice(0, devices);
      const division = this.divide(this.all, rooms);
      if (division === undefined || !this.hostHolds(division.estimate, 'all of it on devices')) continue;
      return this.answer('divided', rooms, division, `fits divided over ${devices} devices`);
    }
    if (most > 1) this.reasons.push(`${most} devices together do not hold it`);
    return undefined;
  }

  /** What is free of those that one engine divides over: of several, the one that has most of it. */
  private divisible(): readonly Room[] {
    const free = this.rooms.filter(({ freeBytes }) => freeBytes > 0);
    const bytesOf = (rooms: readonly Room[]) => rooms.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
    const by = (this.dividers ?? []).map((engine) => free.filter(({ device }) => computesOn(engine, device)));
    return by.toSorted((a, b) => bytesOf(b) - bytesOf(a))[0] ?? free;
  }

  /** As many layers on devices as they take; on all of them, or on fewer where that is more. */
  private partly(): ModelPlan | undefined {
    let best:
      | { readonly rooms: readonly Room[]; readonly division: Division; readonly count: number }
      | undefined;
    const divisible = this.divisible();
    for (let devices = 1; devices <= Math.min(this.most, this.rooms.length); devices++) {
      const rooms = (devices === 1 ? this.rooms : divisible).slice(0, devices);
      if (rooms.length < devices) break;
      for (let count = this.all - 1; count > (best?.count ?? 0); count--) {
        const division = this.divide(count, rooms);
        if (division !== undefined) best = { rooms, division, count };
      }
    }
    if (best === undefined) return undefined;
    const { rooms, division, count } = best;
    if (!this.hostHolds(division.estimate, `${this.all - count} of ${this.all} layers on the host`))
      return undefined;
    return this.answer(
      'partly',
      rooms,
      division,
      `${count} of ${this.all} layers fit on devices, the rest on the host`,
    );
  }

  private onHost(): ModelPlan | undefined {
    const estimate = estimateMemory(
      this.model,
      this.settings,
      offloadLast(this.model.layers.length, 0, []),
      0,
    );
    if (!this.hostHolds(estimate, 'all of it on the host')) return undefined;
    return this.answer('host', [], { counts: [], estimate }, 'fits on the host alone');
  }

  private divide(count: number, rooms: readonly Room[]): Division | undefined {
    const free = rooms.map(({ freeBytes }) => freeBytes);
    const { overheadBytes, deviceFactor } = this.more;
    return divideModel(this.model, this.settings, count, free, overheadBytes, deviceFactor);
  }

  private hostHolds({ host }: MemoryEstimate, what: string): boolean {
    const short = host.totalBytes - this.hostBytes;
    if (short <= 0) return true;
    const has = formatBytes(Math.max(0, this.hostBytes));
    this.reasons.push(
      `${this.view.name} has ${has} of memory free, ${formatBytes(host.totalBytes)} needed with ${what}: ${formatBytes(short)} short`,
    );
    return false;
  }

  private answer(
    kind: ModelPlan['kind'],
    rooms: readonly Room[],
    division: Division,
    words: string,
  ): ModelPlan {
    const { counts, estimate } = division;
    const devices = rooms.map(({ device }, i) => ({ device, layers: counts[i] ?? 0 }));
    const hostLayers = this.all - counts.reduce((sum, count) => sum + count, 0);
    return { kind, devices, hostLayers, estimate, reasons: [words, ...this.reasons] };
  }
}
