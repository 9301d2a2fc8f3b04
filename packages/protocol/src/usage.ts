/**
 * What an attempt used, as its worker saw it: kept with its end, in messages and records as a list by position. What is
 * absent is not known, and never 0.
 */
import type { MsgpackReader } from './msgpack-reader.ts';

export interface Usage {
  /** Time on processors, of all its processes together. */
  readonly cpuMs?: number;
  /** The most it held at a time; files that the kernel can drop from memory do not count. */
  readonly peakMemoryBytes?: number;
  /** On all its devices together. */
  readonly peakVramBytes?: number;
}

/** What an attempt uses at a moment. */
export interface Use {
  readonly cpuMilli?: number;
  readonly memoryBytes?: number;
  readonly vramBytes?: number;
  /** Before it begins: how much has come of what it is given. */
  readonly fetched?: Fetched;
}

/** Told again as it grows; older brokers do not tell. */
export interface Fetched {
  readonly bytes: number;
  readonly of: number;
}

/** -1: not known. Later versions may add positions at the end. */
export type WireUsage = readonly [cpuMs: number, peakMemoryBytes: number, peakVramBytes: number];

const unknown = -1;
const positions = 3;
const usePositions = 5;

/** Undefined where nothing is known. */
export function usageTuple(usage: Usage | undefined): WireUsage | undefined {
  if (usage === undefined) return undefined;
  const { cpuMs = unknown, peakMemoryBytes = unknown, peakVramBytes = unknown } = usage;
  return Math.max(cpuMs, peakMemoryBytes, peakVramBytes) < 0
    ? undefined
    : [cpuMs, peakMemoryBytes, peakVramBytes];
}

export function usageOf([cpuMs, peakMemoryBytes, peakVramBytes]: WireUsage): Usage {
  return {
    ...(cpuMs >= 0 && { cpuMs }),
    ...(peakMemoryBytes >= 0 && { peakMemoryBytes }),
    ...(peakVramBytes >= 0 && { peakVramBytes }),
  };
}

/** Positions of a list that has others before them; none where nothing is known. */
export function useParts(use: Use | undefined): readonly number[] {
  if (use === undefined) return [];
  const { cpuMilli = unknown, memoryBytes = unknown, vramBytes = unknown, fetched } = use;
  const known = [cpuMilli, memoryBytes, vramBytes];
  return fetched === undefined ? known : [...known, fetched.bytes, fetched.of];
}

/** `count` positions follow, as `useParts` wrote them, or more. Throws Malformed. */
export function readUse(reader: MsgpackReader, count: number): Use | undefined {
  const part = (index: number, name: string) =>
    index < count ? reader.integer(`use.${name}`, unknown, Number.MAX_SAFE_INTEGER) : unknown;
  const [cpuMilli, memoryBytes, vramBytes, bytes, of] = [
    part(0, 'cpuMilli'),
    part(1, 'memoryBytes'),
    part(2, 'vramBytes'),
    part(3, 'fetched.bytes'),
    part(4, 'fetched.of'),
  ];
  if (count > usePositions) reader.skip(count - usePositions);
  if (Math.max(cpuMilli, memoryBytes, vramBytes, of) < 0) return undefined;
  return {
    ...(cpuMilli >= 0 && { cpuMilli }),
    ...(memoryBytes >= 0 && { memoryBytes }),
    ...(vramBytes >= 0 && { vramBytes }),
    ...(bytes >= 0 && of >= 0 && { fetched: { bytes, of } }),
  };
}

/** Throws Malformed. */
export function readUsage(reader: MsgpackReader): Usage | undefined {
  if (reader.nil()) return undefined;
  const count = reader.array('usage');
  const part = (index: number, name: string) =>
    index < count ? reader.integer(`usage.${name}`, unknown, Number.MAX_SAFE_INTEGER) : unknown;
  const read = [part(0, 'cpuMs'), part(1, 'peakMemoryBytes'), part(2, 'peakVramBytes')] as const;
  if (count > positions) reader.skip(count - positions);
  return usageOf(read);
}
