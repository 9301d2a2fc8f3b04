/**
 * Reads what `nvidia-smi -q -x` prints. Its XML differs between driver generations and is cut short at times: what is
 * missing is left out, and a card without identity or memory is no device.
 */
import { type Device, type DeviceUuid, parseComputeCapability } from '@gryphgen/protocol';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { computeCapabilityByName } from './compute-capability.ts';

const MiB = 1024 * 1024;

const text = z.string().optional().catch(undefined);
const power = z.object({ power_draw: text, average_power_draw: text }).optional().catch(undefined);
const gpuSchema = z.object({
  uuid: z.string().min(1),
  product_name: z.string().min(1),
  fb_memory_usage: z.object({ total: z.string(), free: text, used: text }),
  temperature: z.object({ gpu_temp: text }).optional().catch(undefined),
  power_readings: power,
  gpu_power_readings: power,
});
const reportSchema = z.object({
  nvidia_smi_log: z.object({
    driver_version: text,
    gpu: z.unknown().optional(),
  }),
});

/** `-q -x` says nothing of compute capability: it comes from another question, or from the name. */
export type ComputeCapabilities = ReadonlyMap<string, number>;

/** Undefined when this is not such a report at all. */
export function readNvidiaSmi(xml: string, capabilities: ComputeCapabilities): readonly Device[] | undefined {
  const parsed = reportSchema.safeParse(parseXml(xml));
  if (!parsed.success) return undefined;
  const { driver_version: driver = '', gpu } = parsed.data.nvidia_smi_log;
  const gpus: readonly unknown[] = Array.isArray(gpu) ? gpu : [gpu];
  return gpus.flatMap((one, index) => {
    const device = readGpu(one, index, driver, capabilities);
    return device === undefined ? [] : [device];
  });
}

function readGpu(
  gpu: unknown,
  index: number,
  driver: string,
  capabilities: ComputeCapabilities,
): Device | undefined {
  const parsed = gpuSchema.safeParse(gpu);
  if (!parsed.success) return undefined;
  const { uuid, product_name: name, fb_memory_usage: memory, temperature } = parsed.data;
  const vramBytes = mib(memory.total);
  if (vramBytes === undefined || vramBytes === 0) return undefined;
  // What is not free is held by somebody, the driver's own reserve included: no task can have it.
  const freeBytes = mib(memory.free) ?? vramBytes - (mib(memory.used) ?? 0);
  const temperatureC = quantity(temperature?.gpu_temp, 'C');
  const { power_readings: older, gpu_power_readings: newer } = parsed.data;
  const powerW = [newer?.power_draw, newer?.average_power_draw, older?.power_draw]
    .map((reading) => quantity(reading, 'W'))
    .find((watts) => watts !== undefined);
  return {
    uuid: uuid as DeviceUuid,
    index,
    name,
    vramBytes,
    computeCapability: capabilities.get(uuid) ?? computeCapabilityByName(name),
    driver,
    foreignBytes: Math.max(0, vramBytes - freeBytes),
    ...(temperatureC === undefined ? {} : { temperatureC }),
    ...(powerW === undefined ? {} : { powerW }),
  };
}

/** Reads `GPU-…, 8.6` lines; a driver that does not know the question prints something else, which is left out. */
export function readComputeCapabilities(csv: string): ComputeCapabilities {
  const known = new Map<string, number>();
  for (const line of csv.split('\n')) {
    const [uuid = '', version = ''] = line.split(',').map((field) => field.trim());
    const tenths = parseComputeCapability(version);
    if (uuid.startsWith('GPU-') && tenths !== undefined) known.set(uuid, tenths);
  }
  return known;
}

function parseXml(xml: string): unknown {
  try {
    return new XMLParser({ processEntities: false, parseTagValue: false }).parse(xml);
  } catch {
    return undefined; // which no schema accepts
  }
}

function mib(reading: string | undefined): number | undefined {
  const value = quantity(reading, 'MiB');
  return value === undefined ? undefined : Math.round(value * MiB);
}

/** `12288 MiB` → 12288; `N/A` → undefined. */
function quantity(reading: string | undefined, unit: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?) (\S+)$/.exec(reading?.trim() ?? '');
  return match?.[2] === unit ? Number(match[1]) : undefined;
}
