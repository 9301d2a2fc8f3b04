/**
 * Looks at this machine's devices, and tells apart who holds their memory.
 *
 * 1. One look at a time: whoever asks during one gets its result, and each look is told of once.
 * 2. What the driver says and who its processes are is as near in time as can be; it is not of one moment.
 */
import type { Device, DeviceShare, DeviceUuid } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';
import type { SeenDevice } from '../core/device-claims.ts';
import type { Owners } from './device-use.ts';
import { KnownDevices } from './known-devices.ts';
import { type DevicesFound, findDevices } from './nvidia-smi.ts';
import { Question } from './question.ts';

/** nvidia-smi is asked twice and has its own limits, but a driver in trouble keeps it from being killed. */
const devicesMs = 40_000;
/** Files of /proc are there at once, but those of a process that hangs in the driver may hang too. */
const ownersMs = 5000;

/** What is reserved for an attempt. */
export interface Holder {
  readonly key: string;
  readonly shares: readonly DeviceShare[];
}

export interface DeviceProbeOptions {
  readonly nvidiaSmi: string;
  readonly alarms: Alarms;
  /** Whose these processes are, undefined when that cannot be told of any; asked only while attempts hold devices. */
  ownersOf(pids: readonly number[]): Promise<Owners | undefined>;
  /** Told of each look: the devices that attempts hold; none when it failed. */
  onSeen(devices: readonly SeenDevice[]): void;
}

export class DeviceProbe {
  private readonly options: DeviceProbeOptions;
  private readonly known = new KnownDevices();
  private readonly question: Question<void>;
  private readonly askOwners: Question<Owners | undefined>;
  private pids: readonly number[] = [];
  private holders: readonly Holder[] = [];
  private last: readonly SeenDevice[] = [];

  constructor(options: DeviceProbeOptions) {
    this.options = options;
    const { nvidiaSmi: what, alarms } = options;
    this.question = new Question({ what, limitMs: devicesMs, alarms, put: () => this.lookOnce() });
    this.askOwners = new Question({
      what: '/proc',
      limitMs: ownersMs,
      alarms,
      put: () => options.ownersOf(this.pids),
    });
  }

  get devices(): readonly Device[] {
    return this.known.devices;
  }

  /** What the last look was told of. */
  get seen(): readonly SeenDevice[] {
    return this.last;
  }

  /** What is wrong, in words; empty when nothing is. */
  get troubles(): readonly string[] {
    return this.known.troubles;
  }

  /** `holders`: the attempts that hold devices now. Never rejects. */
  async look(holders: readonly Holder[]): Promise<void> {
    this.holders = holders;
    try {
      await this.question.ask();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.take({ ok: false, missing: false, why }, holders);
    }
  }

  private async lookOnce(): Promise<void> {
    const found = await findDevices(this.options.nvidiaSmi);
    const { holders } = this;
    const asks = found.ok && holders.length > 0;
    this.take(found, holders, asks ? await this.ownersOf(heldPids(found, holders)) : undefined);
  }

  private async ownersOf(pids: readonly number[]): Promise<Owners | undefined> {
    this.pids = pids;
    try {
      return await this.askOwners.ask();
    } catch {
      return undefined; // it did not answer: then nothing can be told
    }
  }

  private take(found: DevicesFound, holders: readonly Holder[], owners?: Owners): void {
    this.last = this.known.take(found, holders, owners);
    this.options.onSeen(this.last);
  }
}

function heldPids(found: Extract<DevicesFound, { ok: true }>, holders: readonly Holder[]): readonly number[] {
  const held = new Set<DeviceUuid>(holders.flatMap(({ shares }) => shares.map(({ uuid }) => uuid)));
  const readings = found.reading.devices.filter(({ device }) => held.has(device.uuid));
  return [...new Set(readings.flatMap(({ processes }) => processes.map(({ pid }) => pid)))];
}
