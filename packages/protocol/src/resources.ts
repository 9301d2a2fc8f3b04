/**
 * What a task asks for, what a worker has, what the ledger holds. Sizes are exact bytes; a card has less memory than
 * its name says (a "6 GB" GTX 1060: 6064 MiB). CPU is in thousandths of one hardware thread; host CPU and memory are
 * charged once per task however many devices it holds.
 */
import type { Calibration } from './calibration.ts';
import type { HeldShards } from './held-shards.ts';
import type { DeviceUuid } from './ids.ts';
import type { Offers } from './needs.ts';
import type { MachinePressure, Pressure } from './pressure.ts';

/** Which devices will do. */
export interface DeviceWishes {
  /** Tenths: 61 is 6.1. */
  readonly minComputeCapability?: number;
  /** A part of the device's name; case does not count. */
  readonly name?: string;
  /** This device and no other. */
  readonly uuid?: DeviceUuid;
}

export type GpuRequest = DeviceWishes &
  (
    | /** Whole devices, nobody beside the task on them. */ { readonly kind: 'whole'; readonly count: number }
    | /** A part of one device. */ { readonly kind: 'part'; readonly vramBytes: number }
    | /** A part of each of these very devices of one worker, all or none. */ {
        readonly kind: 'parts';
        readonly parts: readonly DevicePart[];
      }
  );

export interface DevicePart {
  readonly uuid: DeviceUuid;
  readonly vramBytes: number;
}

export interface Resources {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly gpu?: GpuRequest;
}

export interface Device {
  readonly uuid: DeviceUuid;
  readonly index: number;
  readonly name: string;
  readonly vramBytes: number;
  /** Tenths; 0 when it could not be found out. */
  readonly computeCapability: number;
  readonly driver: string;
  /** VRAM held outside any reservation: by processes outside the grid, and by attempts beyond their part. */
  readonly foreignBytes: number;
  /** VRAM that attempts were seen to hold; not told where it cannot be told whose is whose. */
  readonly gridBytes?: number;
  /** The largest holders of it outside the grid, at most limits.foreignShown. */
  readonly foreign?: readonly ForeignUse[];
  readonly temperatureC?: number;
  /** Where it slows itself down, by its own word. */
  readonly maxTemperatureC?: number;
  readonly powerW?: number;
  /** Of its multiprocessors now and at most, and of its memory now. */
  readonly clockMHz?: number;
  readonly maxClockMHz?: number;
  readonly memoryClockMHz?: number;
  /** While it holds, the device gets nothing new. */
  readonly pressure?: Pressure;
}

/** A process outside the grid that holds VRAM: its program's name, without folder and arguments. */
export interface ForeignUse {
  readonly pid: number;
  readonly name: string;
  readonly vramBytes: number;
}

/** What the machine is made of: for people, nothing is placed by it. */
export interface Hardware {
  /** `cores` are physical; `cacheBytes` is the last level's. */
  readonly cpu: {
    readonly model: string;
    readonly cores: number;
    readonly threads: number;
    readonly cacheBytes: number;
  };
  readonly swapBytes: number;
  /** Distribution and kernel. */
  readonly system: string;
  readonly disks: readonly { readonly name: string; readonly kind: string; readonly sizeBytes: number }[];
  readonly networks: readonly { readonly name: string; readonly mbitPerS: number }[];
  /** What runs tasks here, with versions: `docker 28.2.2`. */
  readonly engines: readonly string[];
}

/**
 * `backends`: on what it computes: `cpu`, `cuda`, `vulkan`. `divides`: a model over several devices that it is given. `leastCapability`: of
 * cards that it computes on by CUDA, in tenths; missing where that is not known.
 */
export interface ModelEngine {
  readonly name: string;
  readonly version: string;
  readonly backends: readonly string[];
  readonly divides?: boolean;
  readonly leastCapability?: number | undefined;
  /** Of its options those that not every build has, and that who asks chooses by: `flash-attn`. */
  readonly options?: readonly string[] | undefined;
}

/** What a worker says it has; replaced whole by each newer report. */
export interface WorkerReport {
  readonly name: string;
  /** Task kinds it can run. */
  readonly capabilities: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly devices: readonly Device[];
  /** Host memory held outside the grid: that of everything but the attempts. Not told where it cannot be found out. */
  readonly foreignBytes?: number;
  /** Images present, `name:tag` and `name@sha256:…`. */
  readonly images: readonly string[];
  /** Attempts it will hold at once, whatever they ask for. */
  readonly slots: number;
  /** Single-thread speed relative to the reference (1 = Ryzen 9 5950X); 0 when not measured. */
  readonly speed: number;
  /** Not told before it was measured. */
  readonly calibration?: Calibration;
  /** Where its data endpoint listens, and that endpoint's CURVE public key (Z85); empty when it has none. */
  readonly dataEndpoint: string;
  readonly dataKey: string;
  /** What the data endpoint offers beside logs: `exec`. */
  readonly transfers?: readonly string[];
  readonly hardware?: Hardware;
  /** What loads models here, the preferred first; at most limits.modelEngines. */
  readonly engines?: readonly ModelEngine[];
  /** Without it the worker is of a version that knows none of this. */
  readonly offers?: Offers;
  /** Containers started ahead that wait for a task; not told when there are none. */
  readonly warm?: number;
  /** What is wrong there, in words; at most limits.troubles. */
  readonly troubles?: readonly string[];
  /** At most limits.pressures; none when it is not told. */
  readonly pressures?: readonly MachinePressure[];
  /** What its retrieval service has of collections. */
  readonly retrieval?: HeldShards | undefined;
  /** GRYPHGEN's version there. */
  readonly version: string;
}

/** What the ledger holds for one attempt. */
export interface Reservation {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly devices: readonly DeviceShare[];
  /** Of a request: the model of whose instance there it has a slot. Workers do not tell it of what they hold. */
  readonly model?: string;
}

/** `vramBytes` of the device; `whole` bars everybody else from it. */
export interface DeviceShare {
  readonly uuid: DeviceUuid;
  readonly vramBytes: number;
  readonly whole: boolean;
}
