/** Schema of the machine that a worker says it is. */
import { z } from 'zod';
import { calibrationSchema } from './calibration.ts';
import { heldShardsSchema } from './held-shards.ts';
import type { DeviceUuid } from './ids.ts';
import { limits } from './limits.ts';
import { offersSchema } from './needs.ts';
import type { WorkerReport } from './resources.ts';
import { labelMap } from './string-map.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const name = z.string().max(limits.nameChars);
/** Printable ASCII: a character is a byte. */
const plain = (chars: number) =>
  z
    .string()
    .max(chars)
    .regex(/^[ -~]*$/, 'expected plain ASCII');
export const deviceUuid = plain(limits.uuidChars)
  .min(1)
  .transform((uuid) => uuid as DeviceUuid);

const pressure = z.object({ name: plain(32), forMs: count, words: plain(limits.pressureChars) });
const machinePressure = pressure.extend({ stops: z.array(plain(32)).max(limits.kindsStopped) });

const foreignUse = z.object({ pid: count, name: plain(64), vramBytes: count });
const hardware = z.object({
  cpu: z.object({ model: plain(128), cores: count, threads: count, cacheBytes: count }),
  swapBytes: count,
  system: plain(128),
  disks: z.array(z.object({ name: plain(64), kind: plain(16), sizeBytes: count })).max(limits.partsShown),
  networks: z.array(z.object({ name: plain(64), mbitPerS: count })).max(limits.partsShown),
  engines: z.array(plain(64)).max(limits.partsShown),
});

const modelEngine = z.object({
  name: plain(64),
  version: plain(64),
  backends: z.array(plain(32)).max(limits.backends),
  divides: z.boolean().optional(),
  leastCapability: z.number().int().min(1).max(999).optional(),
  options: z.array(plain(32)).max(limits.engineOptions).optional(),
});

export const workerReportSchema: z.ZodType<WorkerReport> = z.object({
  name,
  capabilities: z.array(z.string().max(64)).max(limits.capabilities),
  labels: labelMap,
  cpuMilli: count,
  memoryBytes: count,
  diskBytes: count,
  devices: z
    .array(
      z.object({
        uuid: deviceUuid,
        index: count,
        name,
        vramBytes: count,
        computeCapability: z.number().int().min(0).max(999),
        driver: z.string().max(64),
        foreignBytes: count,
        gridBytes: count.optional(),
        foreign: z.array(foreignUse).max(limits.foreignShown).optional(),
        temperatureC: z.number().optional(),
        maxTemperatureC: z.number().optional(),
        powerW: z.number().optional(),
        clockMHz: z.number().optional(),
        maxClockMHz: z.number().optional(),
        memoryClockMHz: z.number().optional(),
        pressure: pressure.optional(),
      }),
    )
    .max(limits.devices),
  foreignBytes: count.optional(),
  images: z
    .array(z.string().max(512))
    .max(limits.images)
    .refine(
      (images) => images.reduce((sum, image) => sum + Buffer.byteLength(image), 0) <= limits.imagesBytes,
      {
        message: `at most ${limits.imagesBytes} bytes of names`,
      },
    ),
  slots: count.max(limits.attemptsPerWorker),
  speed: z.number().min(0).max(1e6),
  calibration: calibrationSchema.optional(),
  dataEndpoint: z.string().max(limits.endpointChars),
  dataKey: z.string().max(64),
  transfers: z.array(z.string().max(64)).max(16).optional(),
  hardware: hardware.optional(),
  engines: z.array(modelEngine).max(limits.modelEngines).optional(),
  offers: offersSchema.optional(),
  warm: count.optional(),
  troubles: z.array(z.string().max(limits.troubleChars)).max(limits.troubles).optional(),
  pressures: z.array(machinePressure).max(limits.pressures).optional(),
  retrieval: heldShardsSchema.optional(),
  version: z.string().max(64),
});
