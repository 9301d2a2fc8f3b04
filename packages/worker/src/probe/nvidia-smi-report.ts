/**
 * Reads what `nvidia-smi -q -x` prints. Its XML differs between driver generations, is cut short at times, and says
 * what a failing card makes it say.
 *
 * 1. What is missing or absurd is left out; a card without identity or memory is no device, and the reason is told.
 * 2. A report that is cut short is not complete: a card that it lacks need not be gone.
 * 3. A card split into MIG instances is not offered itself; each instance is a device.
 */
import {
  type Device,
  type DeviceUuid,
  isDeviceUuid,
  limits,
  parseComputeCapability,
} from '@gryphgen/protocol';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { guessComputeCapability } from './compute-capability.ts';
import type { MigNames } from './mig-names.ts';

const MiB = 1024 * 1024;
/** More than any card will have for long: a reading above is an error of the driver's. */
const mostVramMiB = 16 * MiB;

/** No card slows down so cool: a threshold below is an error of the driver's. */
const leastLimitC = 60;

const text = z.string().optional().catch(undefined);
const memory = z.object({ total: text, free: text, used: text }).optional().catch(undefined);
const power = z
  .object({ power_draw: text, average_power_draw: text, instant_power_draw: text })
  .optional()
  .catch(undefined);
const clocks = z.object({ sm_clock: text, mem_clock: text }).optional().catch(undefined);
const temperatures = z
  .object({
    gpu_temp: text,
    gpu_temp_slow_threshold: text,
    gpu_temp_max_gpu_threshold: text,
    /** Newer cards tell how far it is to their limit, and where around it they slow down. */
    gpu_temp_tlimit: text,
    gpu_temp_slow_tlimit_threshold: text,
    gpu_temp_max_gpu_tlimit_threshold: text,
  })
  .optional()
  .catch(undefined);
const manyOf = <T extends z.ZodType>(item: T) =>
  z.union([z.array(item), item.transform((one) => (one === undefined ? [] : [one]))]).catch([]);
const processSchema = z.object({
  pid: z.string().regex(/^[1-9][0-9]{0,9}$/),
  process_name: text,
  used_memory: text,
  gpu_instance_id: text,
  compute_instance_id: text,
});
const migDevice = z.object({
  index: z.string(),
  gpu_instance_id: text,
  compute_instance_id: text,
  fb_memory_usage: memory,
});
const gpuSchema = z.object({
  uuid: text,
  product_name: text,
  pci: z.object({ pci_device_id: text, pci_bus_id: text }).optional().catch(undefined),
  fb_memory_usage: memory,
  /** What drivers before 304 call it. */
  memory_usage: memory,
  compute_mode: text,
  temperature: temperatures,
  power_readings: power,
  gpu_power_readings: power,
  clocks,
  max_clocks: clocks,
  mig_mode: z.object({ current_mig: text }).optional().catch(undefined),
  mig_devices: z
    .object({ mig_device: manyOf(migDevice) })
    .optional()
    .catch(undefined),
  processes: z
    .object({ process_info: manyOf(z.unknown()) })
    .optional()
    .catch(undefined),
});
type Gpu = z.infer<typeof gpuSchema>;
const reportSchema = z.object({
  nvidia_smi_log: z.object({ driver_version: text, gpu: manyOf(z.unknown()) }),
});

/** `-q -x` says nothing of compute capability: it comes from another question, or is guessed. */
export type ComputeCapabilities = ReadonlyMap<string, number>;

export interface DeviceProcess {
  readonly pid: number;
  readonly name: string;
  /** Undefined when the driver does not tell (no permission, WSL). */
  readonly vramBytes: number | undefined;
}

export interface DeviceReading {
  /** `foreignBytes`: all that is not free, whoever holds it. */
  readonly device: Device;
  readonly processes: readonly DeviceProcess[];
}

export interface DevicesReading {
  readonly devices: readonly DeviceReading[];
  /** False: the report was cut short. */
  readonly complete: boolean;
  /** What is wrong with cards that are there, in words. */
  readonly problems: readonly string[];
}

/** Undefined when this is not such a report at all. `mig`: what `nvidia-smi -L` calls the instances. */
export function readNvidiaSmi(
  xml: string,
  capabilities: ComputeCapabilities,
  mig: MigNames = new Map(),
): DevicesReading | undefined {
  const parsed = reportSchema.safeParse(parseXml(xml));
  if (!parsed.success) return undefined;
  const { driver_version: driver = '', gpu: gpus } = parsed.data.nvidia_smi_log;
  const problems: string[] = [];
  const found = new Map<DeviceUuid, DeviceReading>();
  for (const [index, one] of gpus.entries()) {
    const gpu = gpuSchema.safeParse(one);
    const card = gpu.success
      ? readCard(gpu.data, index, driver, capabilities)
      : `card ${index} cannot be read`;
    const readings = typeof card === 'string' ? card : gpu.success ? split(card, gpu.data, mig) : [];
    if (typeof readings === 'string') problems.push(readings);
    else for (const reading of readings) found.set(reading.device.uuid, reading);
  }
  const devices = [...found.values()];
  if (devices.length > limits.devices)
    problems.push(`there are ${devices.length} devices, the first ${limits.devices} are offered`);
  return {
    devices: devices.slice(0, limits.devices),
    complete: /<\/nvidia_smi_log>\s*$/.test(xml),
    problems: problems.slice(0, limits.devices),
  };
}

/** Whether the report names instances, so that `nvidia-smi -L` must be asked for their ids. */
export function hasMig(xml: string): boolean {
  return /<current_mig>\s*Enabled/.test(xml);
}

function readCard(
  gpu: Gpu,
  index: number,
  driver: string,
  capabilities: ComputeCapabilities,
): DeviceReading | string {
  const { uuid = '', product_name: name = '', pci, compute_mode: mode = '' } = gpu;
  const where = `card ${index} (${[name, pci?.pci_bus_id].filter(Boolean).join(' at ') || 'unnamed'})`;
  if (!isDeviceUuid(uuid)) return `${where} does not tell its uuid: ${shown(uuid)}`;
  const usage = gpu.fb_memory_usage ?? gpu.memory_usage;
  const vramBytes = mib(usage?.total);
  if (vramBytes === undefined || vramBytes === 0)
    return `${where} does not tell its memory: ${shown(usage?.total ?? '')}`;
  if (mode === 'Prohibited') return `${where} is in compute mode Prohibited: no task can use it`;
  return {
    device: {
      uuid,
      index,
      name: (name || 'unnamed card').slice(0, 128),
      vramBytes,
      computeCapability: capabilities.get(uuid) ?? guessComputeCapability(name, pci?.pci_device_id ?? ''),
      driver: driver.slice(0, 64),
      foreignBytes: notFree(vramBytes, usage),
      ...measured(gpu),
    },
    processes: processesOf(gpu),
  };
}

/** What is not free is held by somebody, the driver's own reserve included: no task can have it. */
function notFree(vramBytes: number, usage: z.infer<typeof memory>): number {
  const freeBytes = mib(usage?.free) ?? vramBytes - (mib(usage?.used) ?? 0);
  return Math.min(vramBytes, Math.max(0, vramBytes - freeBytes));
}

function measured(gpu: Gpu): Partial<Device> {
  const {
    temperature,
    power_readings: older,
    gpu_power_readings: newer,
    clocks: now,
    max_clocks: most,
  } = gpu;
  const powerW = [newer?.power_draw, newer?.instant_power_draw, newer?.average_power_draw, older?.power_draw]
    .map((reading) => quantity(reading, 'W'))
    .find((watts) => watts !== undefined);
  return definedOf({
    temperatureC: celsius(temperature?.gpu_temp),
    maxTemperatureC: slowdownOf(temperature),
    powerW,
    clockMHz: quantity(now?.sm_clock, 'MHz'),
    maxClockMHz: quantity(most?.sm_clock, 'MHz'),
    memoryClockMHz: quantity(now?.mem_clock, 'MHz'),
  });
}

/** The lowest temperature at which it slows itself down, as far as it tells. */
function slowdownOf(told: z.infer<typeof temperatures>): number | undefined {
  const absolute = [told?.gpu_temp_slow_threshold, told?.gpu_temp_max_gpu_threshold].map(celsius);
  const [now, left] = [celsius(told?.gpu_temp), celsius(told?.gpu_temp_tlimit)];
  const toLimit = [told?.gpu_temp_slow_tlimit_threshold, told?.gpu_temp_max_gpu_tlimit_threshold].map(
    (reading) => {
      const threshold = celsius(reading);
      return threshold === undefined || now === undefined || left === undefined
        ? undefined
        : now + left - threshold;
    },
  );
  const all = [...absolute, ...toLimit].filter((one) => one !== undefined && one >= leastLimitC) as number[];
  return all.length === 0 ? undefined : Math.min(...all);
}

function processesOf(gpu: Gpu, instance?: z.infer<typeof migDevice>): readonly DeviceProcess[] {
  return (gpu.processes?.process_info ?? []).flatMap((one) => {
    const parsed = processSchema.safeParse(one);
    if (!parsed.success) return [];
    const { pid, process_name: name = '', used_memory: used, ...ids } = parsed.data;
    const elsewhere =
      instance !== undefined &&
      (ids.gpu_instance_id !== instance.gpu_instance_id ||
        ids.compute_instance_id !== instance.compute_instance_id);
    return elsewhere ? [] : [{ pid: Number(pid), name, vramBytes: mib(used) }];
  });
}

/** The card itself, or its MIG instances. */
function split(card: DeviceReading, gpu: Gpu, mig: MigNames): readonly DeviceReading[] | string {
  if (gpu.mig_mode?.current_mig !== 'Enabled') return [card];
  const { device } = card;
  const instances = (gpu.mig_devices?.mig_device ?? []).flatMap((instance): DeviceReading[] => {
    const named = mig.get(`${device.uuid} ${instance.index}`);
    const vramBytes = mib(instance.fb_memory_usage?.total);
    if (named === undefined || vramBytes === undefined || vramBytes === 0) return [];
    const name = `${device.name} MIG ${named.profile}`;
    const foreignBytes = notFree(vramBytes, instance.fb_memory_usage);
    return [
      {
        device: { ...device, uuid: named.uuid, name, vramBytes, foreignBytes },
        processes: processesOf(gpu, instance),
      },
    ];
  });
  if (instances.length > 0) return instances;
  return `${device.name} is in MIG mode and has no instance that could be read: create some, or turn MIG off`;
}

/** Reads `GPU-…, 8.6` lines; a driver that does not know the question prints something else, which is left out. */
export function readComputeCapabilities(csv: string): ComputeCapabilities {
  const known = new Map<string, number>();
  for (const line of csv.split('\n')) {
    const [uuid = '', version = ''] = line.split(',').map((field) => field.trim());
    const tenths = parseComputeCapability(version);
    if (isDeviceUuid(uuid) && tenths !== undefined) known.set(uuid, tenths);
  }
  return known;
}

/** The parser closes what is open at the end, but not a tag that is cut in its middle: that is left out. */
function parseXml(xml: string): unknown {
  try {
    const whole = xml.slice(0, xml.lastIndexOf('>') + 1);
    return new XMLParser({ processEntities: false, parseTagValue: false }).parse(whole);
  } catch {
    return undefined; // which no schema accepts
  }
}

/** Older drivers write MB for the same. */
function mib(reading: string | undefined): number | undefined {
  const value = quantity(reading, 'MiB') ?? quantity(reading, 'MB');
  return value === undefined || value > mostVramMiB ? undefined : Math.round(value * MiB);
}

/** `12288 MiB` → 12288; `N/A`, `[Unknown Error]`, `ERR!` → undefined. */
function quantity(reading: string | undefined, unit: string): number | undefined {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,6})?) (\S+)$/.exec(reading?.trim() ?? '');
  return match?.[2] === unit ? Number(match[1]) : undefined;
}

function celsius(reading: string | undefined): number | undefined {
  const [, degrees] = /^(-?[0-9]{1,3}) C$/.exec(reading?.trim() ?? '') ?? [];
  return degrees === undefined ? undefined : Number(degrees);
}

function shown(reading: string): string {
  return reading === '' ? 'nothing is printed' : JSON.stringify(reading.slice(0, 80));
}

function definedOf(values: { readonly [key: string]: number | undefined }): Partial<Device> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
