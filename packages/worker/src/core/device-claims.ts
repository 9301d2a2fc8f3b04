/**
 * Whether the attempts on one device keep to what was reserved for them, and whether each can still have it. No engine
 * holds a task to its part of a device's memory: it is observed, and this judges what was seen.
 *
 * 1. An attempt that holds no more than its reservation and `marginBytes` is never in excess, whatever else goes on.
 * 2. What an attempt that is over or being ended holds counts as free: it comes back, and nobody else need end for it.
 * 3. A neighbour is endangered when less is free than all may still take of what was reserved for them.
 *    What is loaded and answers takes little more (`growthBytes`), and the broker may have given the rest to others.
 * 4. Nobody is in excess of a device that was reserved whole; anybody else's use of it endangers its holder.
 */
import type { DeviceUuid } from '@gryphgen/protocol';

/** Drivers round, and keep for a process what differs by as much: nobody can ask to the MiB. */
export const marginBytes = 64 * 1024 ** 2;

/** One look at one device. */
export interface SeenDevice {
  readonly uuid: DeviceUuid;
  readonly name: string;
  readonly freeBytes: number;
  /** In use, and of no process that the driver lists: where it lists none, what attempts hold is among it. */
  readonly unlistedBytes?: number;
  /** What each attempt holds, by its key; undefined when it cannot be told whose memory is whose. */
  readonly usedBy: ReadonlyMap<string, number> | undefined;
}

/** What one attempt may have of the device; nothing, when it uses one that it was not given. */
export interface Claim {
  readonly key: string;
  readonly reservedBytes: number;
  readonly whole: boolean;
  /** It may still take no more than this, whatever was reserved; undefined: all of that. */
  readonly growthBytes?: number | undefined;
  /** `leaving`: over or being ended. Only what runs can be in excess. */
  readonly stage: 'coming' | 'running' | 'leaving';
}

export interface Excess {
  readonly key: string;
  readonly usedBytes: number;
  readonly reservedBytes: number;
}

/** The neighbour that lacks most: it may still take `outstandingBytes` of `reservedBytes`. */
export interface Danger {
  readonly key: string;
  readonly reservedBytes: number;
  readonly outstandingBytes: number;
  /** What is free for all. */
  readonly freeBytes: number;
}

export interface Judgement {
  /** Most above its reservation first. */
  readonly excesses: readonly Excess[];
  /** Null when every reservation can still be had. */
  readonly danger: Danger | null;
}

export function judge(
  freeBytes: number,
  usedBy: ReadonlyMap<string, number>,
  claims: readonly Claim[],
): Judgement {
  const excesses: Excess[] = [];
  let soonFreeBytes = freeBytes;
  let allOutstandingBytes = 0;
  let neediest: Omit<Danger, 'freeBytes'> | null = null;
  for (const { key, reservedBytes, whole, growthBytes = reservedBytes, stage } of claims) {
    const usedBytes = usedBy.get(key) ?? 0;
    if (stage === 'leaving') {
      soonFreeBytes += usedBytes;
      continue;
    }
    const outstandingBytes = Math.min(growthBytes, Math.max(0, reservedBytes - usedBytes));
    allOutstandingBytes += outstandingBytes;
    if (outstandingBytes > (neediest?.outstandingBytes ?? 0))
      neediest = { key, reservedBytes, outstandingBytes };
    if (stage === 'running' && !whole && usedBytes > reservedBytes + marginBytes)
      excesses.push({ key, usedBytes, reservedBytes });
  }
  excesses.sort((a, b) => b.usedBytes - b.reservedBytes - (a.usedBytes - a.reservedBytes));
  const danger = soonFreeBytes < allOutstandingBytes ? neediest : null;
  return { excesses, danger: danger && { ...danger, freeBytes: soonFreeBytes } };
}
