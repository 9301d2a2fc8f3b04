/** Where pressures begin and end. What the owner of a machine may set, he sets where they begin; the end follows. */
import type { Holds } from './gauge.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** `auto`: by the size of the disk or the memory, by the card's own word. 0: never. */
export interface PressureSettings {
  readonly minDiskFreeBytes: number | 'auto';
  readonly minMemoryFreeBytes: number | 'auto';
  readonly maxDeviceC: number | 'auto';
}

export const autoPressures: PressureSettings = {
  minDiskFreeBytes: 'auto',
  minMemoryFreeBytes: 'auto',
  maxDeviceC: 'auto',
};

/** Logs, journal heads and layers of containers are written at once: the first full write loses something. */
const disk = { bytes: GiB, share: 0.02 };
/** Below it the kernel is about to choose whom to kill. */
const memory = { bytes: 512 * MiB, share: 0.05 };
/** What was freed is soon used again: twice as much must be free before new work comes. */
const enoughTimes = 2;
/** Time that all tasks together lost to waiting for memory, in percent of the last 10 s. */
export const stallPercent = 20;
/** Below the temperature at which a card slows itself down, where it began and where it ends. */
const deviceMarginC = 3;
const deviceBandC = 7;

export const holds = {
  disk: { beginMs: 0, endMs: 10_000 },
  /** A compiler's peak is no reason. */
  memory: { beginMs: 10_000, endMs: 30_000 },
  device: { beginMs: 0, endMs: 30_000 },
  /** It begins when a question was given up, which takes its time already. */
  engine: { beginMs: 0, endMs: 10_000 },
  /** It is an event, told for as long as somebody may wonder about times. */
  clock: { beginMs: 0, endMs: 10 * 60_000 },
} as const satisfies Record<string, Holds>;

/** A step of the wall clock against the monotonic one: more than a time server corrects while nobody notices. */
export const jumpMs = 2000;

export interface Amounts {
  readonly least: number;
  readonly enough: number;
}

export function diskAmounts({ minDiskFreeBytes }: PressureSettings, totalBytes: number): Amounts {
  return amounts(minDiskFreeBytes, disk, totalBytes);
}

export function memoryAmounts({ minMemoryFreeBytes }: PressureSettings, totalBytes: number): Amounts {
  return amounts(minMemoryFreeBytes, memory, totalBytes);
}

function amounts(
  chosen: number | 'auto',
  { bytes, share }: { readonly bytes: number; readonly share: number },
  total: number,
): Amounts {
  const least = chosen === 'auto' ? Math.floor(Math.min(bytes, share * total)) : chosen;
  return { least, enough: enoughTimes * least };
}

/** Undefined: nothing is known that it should keep below. */
export function deviceTemperatures(
  { maxDeviceC }: PressureSettings,
  ownC: number | undefined,
): { readonly hotC: number; readonly coolC: number } | undefined {
  if (maxDeviceC === 0) return undefined;
  if (maxDeviceC === 'auto' && ownC === undefined) return undefined;
  const hotC = maxDeviceC === 'auto' ? (ownC ?? 0) - deviceMarginC : maxDeviceC;
  return { hotC, coolC: hotC - deviceBandC };
}
