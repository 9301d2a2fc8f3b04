/**
 * What presses on this machine, from its readings: each pressure by name, since when, in words, and what it stops.
 *
 * 1. What was not read stands as it was.
 * 2. Time is the monotonic clock's. The wall clock is only compared with it.
 */
import {
  type Device,
  type DeviceUuid,
  formatBytes,
  formatDuration,
  limits,
  type MachinePressure,
  type Pressure,
  type WorkerReport,
} from '@gryphgen/protocol';
import type { Now } from '../events.ts';
import { atRest, type Gauge, type Holds, type Level, levelOf, readGauge } from './gauge.ts';
import {
  deviceTemperatures,
  diskAmounts,
  holds,
  jumpMs,
  memoryAmounts,
  type PressureSettings,
  stallPercent,
} from './thresholds.ts';

type Stops = 'everything' | 'containers' | 'nothing';

export interface DiskReading {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** What writes there. */
  readonly stops: 'everything' | 'containers';
}

export interface MemoryReading {
  readonly availableBytes: number;
  readonly totalBytes: number;
  /** Undefined where the kernel does not tell. */
  readonly stalledPercent: number | undefined;
}

export interface MachineReading {
  readonly disks: readonly DiskReading[];
  readonly memory: MemoryReading | undefined;
  readonly engine: 'none' | 'answers' | 'silent';
}

interface Known {
  readonly name: string;
  gauge: Gauge;
  words: string;
}

interface KnownOfMachine extends Known {
  readonly stops: Stops;
}

export class Pressures {
  private readonly settings: PressureSettings;
  private readonly machine = new Map<string, KnownOfMachine>();
  private readonly devices = new Map<DeviceUuid, Known>();
  /** Wall clock less monotonic clock, at the last look. */
  private offsetMs: number | null = null;

  constructor(settings: PressureSettings) {
    this.settings = settings;
  }

  read({ disks, memory, engine }: MachineReading, now: Now): void {
    for (const disk of disks) this.readDisk(disk, now.mono);
    if (memory !== undefined) this.readMemory(memory, now.mono);
    if (engine !== 'none') this.readEngine(engine, now.mono);
    this.readClock(now);
  }

  /** All there are: what is known of others is forgotten. */
  readDevices(devices: readonly Device[], mono: number): void {
    for (const uuid of this.devices.keys())
      if (!devices.some((device) => device.uuid === uuid)) this.devices.delete(uuid);
    for (const device of devices) this.readDevice(device, mono);
  }

  /** The report with what presses now. */
  addTo(report: WorkerReport, mono: number): WorkerReport {
    const pressures: MachinePressure[] = [];
    for (const known of this.machine.values()) {
      const pressure = pressureOf(known, mono);
      if (pressure !== undefined) pressures.push({ ...pressure, stops: kindsOf(known.stops, report) });
    }
    const devices = report.devices.map(({ pressure: _, ...device }) => {
      const known = this.devices.get(device.uuid);
      const pressure = known && pressureOf(known, mono);
      return pressure === undefined ? device : { ...device, pressure };
    });
    return { ...report, devices, pressures };
  }

  /** All that presses, by name and in words: other keys when a pressure has begun or ended. */
  held(): ReadonlyMap<string, string> {
    const all = [...this.machine, ...this.devices].filter(([, { gauge }]) => gauge.sinceMono !== null);
    return new Map(all.map(([what, { name, words }]) => [`${name} (${what})`, words]));
  }

  private readDisk({ path, freeBytes, totalBytes, stops }: DiskReading, mono: number): void {
    const { least, enough } = diskAmounts(this.settings, totalBytes);
    const words = `${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)}, takes new work above ${formatBytes(enough)} (${path})`;
    const disk = this.of(`disk ${path}`, 'low disk', stops);
    advance(disk, levelOf(freeBytes, least, enough), words, mono, holds.disk);
  }

  /** Stalls alone are no reason: one container at its own limit makes them on a machine that has plenty. */
  private readMemory({ availableBytes, totalBytes, stalledPercent = 0 }: MemoryReading, mono: number): void {
    const { least, enough } = memoryAmounts(this.settings, totalBytes);
    const amount = levelOf(availableBytes, least, enough);
    const stalls = stalledPercent >= stallPercent;
    const level = amount === 'between' && stalls ? 'pressed' : amount;
    const also = stalls ? `; tasks wait for memory ${Math.round(stalledPercent)} % of the time` : '';
    const words = `${formatBytes(availableBytes)} available of ${formatBytes(totalBytes)}, takes new work above ${formatBytes(enough)}${also}`;
    advance(this.of('memory', 'low memory', 'everything'), level, words, mono, holds.memory);
  }

  private readEngine(engine: 'answers' | 'silent', mono: number): void {
    const level = engine === 'silent' ? 'pressed' : 'eased';
    const words = 'the Docker engine does not answer; what runs goes on, new containers wait for it';
    advance(this.of('engine', 'stuck engine', 'containers'), level, words, mono, holds.engine);
  }

  private readClock({ mono, wall }: Now): void {
    const offset = wall - mono;
    const jump = this.offsetMs === null ? 0 : offset - this.offsetMs;
    this.offsetMs = offset;
    const clock = this.of('clock', 'clock jump', 'nothing');
    const jumped = Math.abs(jump) >= jumpMs;
    const way = jump > 0 ? 'forward' : 'back';
    const words = jumped
      ? `the wall clock went ${way} by ${formatDuration(Math.round(Math.abs(jump) / 1000) * 1000)}; leases and time limits do not follow it`
      : clock.words;
    advance(clock, jumped ? 'pressed' : 'eased', words, mono, holds.clock);
  }

  private readDevice({ uuid, temperatureC, maxTemperatureC }: Device, mono: number): void {
    const bounds = deviceTemperatures(this.settings, maxTemperatureC);
    if (bounds === undefined || temperatureC === undefined) return;
    const { hotC, coolC } = bounds;
    const level: Level = temperatureC >= hotC ? 'pressed' : temperatureC > coolC ? 'between' : 'eased';
    const own = maxTemperatureC === undefined ? '' : `, slows down at ${maxTemperatureC} C`;
    const words = `${temperatureC} C${own}, takes new work at ${coolC} C or less`;
    const device = this.devices.get(uuid) ?? { name: 'hot', gauge: atRest, words };
    this.devices.set(uuid, device);
    advance(device, level, words, mono, holds.device);
  }

  private of(what: string, name: string, stops: Stops): KnownOfMachine {
    const known = this.machine.get(what) ?? { name, stops, gauge: atRest, words: '' };
    this.machine.set(what, known);
    return known;
  }
}

function advance(known: Known, level: Level, words: string, mono: number, held: Holds): void {
  known.gauge = readGauge(known.gauge, level, mono, held);
  known.words = words;
}

function pressureOf({ name, gauge, words }: Known, mono: number): Pressure | undefined {
  if (gauge.sinceMono === null) return undefined;
  const forMs = Math.max(0, Math.round(mono - gauge.sinceMono));
  // A path may hold anything; what cannot be shown anywhere is left out.
  return { name, forMs, words: words.replace(/[^ -~]+/g, '').slice(0, limits.pressureChars) };
}

function kindsOf(stops: Stops, { capabilities }: WorkerReport): readonly string[] {
  switch (stops) {
    case 'everything':
      return capabilities.slice(0, limits.kindsStopped);
    case 'containers':
      return ['container'];
    case 'nothing':
      return [];
    default:
      return stops satisfies never;
  }
}
