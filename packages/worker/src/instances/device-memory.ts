/**
 * What an instance holds of the devices that it was planned for, as looks at these have it: that it computes there once it is ready,
 * and that it gave all of it back once it has ended.
 *
 * 1. Where nobody can tell whose memory is whose, or no look answers in time, nothing is held against it.
 * 2. Nothing is judged by one look, which may have begun before what is asked.
 * 3. Each wait is bounded: a driver that keeps memory, or does not answer, keeps no place for longer.
 */
import { type DeviceShare, type Failure, failure, formatBytes, formatDuration } from '@gryphgen/protocol';
import { type Alarms, type Clock, pause } from '@gryphgen/runtime';
import type { SeenDevice } from '../core/device-claims.ts';

/** What the last look saw, and a new one: the devices that attempts hold. */
export interface DeviceLooks {
  readonly seen: readonly SeenDevice[];
  look(): Promise<readonly SeenDevice[]>;
}

export interface DeviceMemoryOptions {
  readonly looks: DeviceLooks;
  readonly clock: Clock;
  readonly alarms: Alarms;
}

const looksAtStart = 3;
/** For all of them; an answer waits no longer for it. */
const startMs = 5000;
const betweenMs = 500;
/** Drivers take a second or two for what a killed process held. */
const backMs = 10_000;
/** What a driver takes for a process that computes nothing there. */
const driverBytes = 512 * 1024 ** 2;
/** Of what was planned beside that: an estimate is seldom off by as much, and what computes elsewhere holds next to nothing. */
const leastShare = 1 / 4;
/** Of what it held: drivers round. */
const backShare = 0.9;

/** Why an instance that is ready does not compute where it is to; null where it does, or that cannot be told. */
export async function whyNotThere(
  { looks, clock, alarms }: DeviceMemoryOptions,
  {
    key,
    shares,
    signal,
  }: { readonly key: string; readonly shares: readonly DeviceShare[]; readonly signal: AbortSignal },
): Promise<Failure | null> {
  const planned = shares.reduce((sum, { vramBytes }) => sum + vramBytes, 0);
  const least = Math.max(1, leastShare * (planned - driverBytes * shares.length));
  const untilMono = clock.mono() + startMs;
  let held: number | undefined;
  let seen: readonly SeenDevice[] = [];
  for (let looked = 0; looked < looksAtStart; looked += 1) {
    if (looked > 0) await pause(alarms, betweenMs, signal);
    if (signal.aborted) return null;
    seen = await withinMs(looks.look(), untilMono - clock.mono(), alarms, signal);
    held = heldOf(seen, key, shares);
    if (held === undefined || held + unlisted(seen, shares) >= least) return null;
  }
  if (held === undefined) return null;
  const names = seen.filter(({ uuid }) => shares.some((share) => share.uuid === uuid));
  const where = names.map(({ name }) => name).join(' and ');
  return failure(
    'execution.model',
    `${formatBytes(planned)} of ${where} were planned for it, and once it was ready it held ${formatBytes(held)}: it computes on the host, which nobody asked for`,
  );
}

/**
 * Resolves when the devices have as much free again as it held, or it cannot be told; with what is lacking after `backMs`, in words.
 * `before`: what was seen while it ran.
 */
export async function untilBack(
  { looks, clock, alarms }: DeviceMemoryOptions,
  {
    key,
    before,
    signal,
  }: { readonly key: string; readonly before: readonly SeenDevice[]; readonly signal: AbortSignal },
): Promise<string> {
  const untilMono = clock.mono() + backMs;
  const held = before.filter(({ usedBy }) => (usedBy?.get(key) ?? 0) > 0);
  for (let lacking = held; lacking.length > 0; ) {
    const leftMs = untilMono - clock.mono();
    if (leftMs <= 0) return lacking.map((device) => lackWords(device, key)).join('; ');
    const now = await withinMs(looks.look(), leftMs, alarms, signal);
    if (signal.aborted || now.length === 0) return '';
    lacking = lacking.filter((device) => isLacking(device, now, key));
    if (lacking.length > 0) await pause(alarms, betweenMs, signal);
  }
  return '';
}

/** What others took meanwhile is not what it left. */
function isLacking(before: SeenDevice, looked: readonly SeenDevice[], key: string): boolean {
  const now = looked.find(({ uuid }) => uuid === before.uuid);
  if (now?.usedBy === undefined || before.usedBy === undefined) return false;
  const own = before.usedBy.get(key) ?? 0;
  const others = sumOf(now.usedBy) - (sumOf(before.usedBy) - own);
  return now.freeBytes + others < before.freeBytes + backShare * own;
}

function lackWords({ name, usedBy }: SeenDevice, key: string): string {
  const own = formatBytes(usedBy?.get(key) ?? 0);
  return `the ${own} that it held of ${name} were not free again after ${formatDuration(backMs)}`;
}

/** Of all its devices; undefined where it cannot be told of one. */
function heldOf(
  seen: readonly SeenDevice[],
  key: string,
  shares: readonly DeviceShare[],
): number | undefined {
  let held = 0;
  for (const { uuid } of shares) {
    const device = seen.find((one) => one.uuid === uuid);
    if (device?.usedBy === undefined) return undefined;
    held += device.usedBy.get(key) ?? 0;
  }
  return held;
}

/** It may be its own: some drivers list no processes. */
function unlisted(seen: readonly SeenDevice[], shares: readonly DeviceShare[]): number {
  const own = seen.filter(({ uuid }) => shares.some((share) => share.uuid === uuid));
  return own.reduce((sum, { unlistedBytes = 0 }) => sum + unlistedBytes, 0);
}

function sumOf(usedBy: ReadonlyMap<string, number>): number {
  return [...usedBy.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Nothing seen where it takes longer. */
async function withinMs(
  look: Promise<readonly SeenDevice[]>,
  ms: number,
  alarms: Alarms,
  signal: AbortSignal,
): Promise<readonly SeenDevice[]> {
  const over = new AbortController();
  const late = pause(alarms, Math.max(0, ms), AbortSignal.any([signal, over.signal])).then(
    (): readonly SeenDevice[] => [],
  );
  try {
    return await Promise.race([look, late]);
  } finally {
    over.abort();
  }
}
