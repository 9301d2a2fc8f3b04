/**
 * What the worker does about attempts that hold more of a device's memory than was reserved for them.
 *
 * 1. Each is told of once, at the end of its own log and in the worker's; while it lasts the worker's report says so too.
 * 2. Where a neighbour is endangered, the one that is most above its reservation is ended, and nobody else: by its own
 *    doing, so it fails (`execution.oom`) and is tried again as its task says.
 * 3. Nothing ends by one look, whose numbers are not all of one moment: a device must be seen endangered at least twice,
 *    `leastApartMs` apart, and the attempt in excess each time. A look between them that fails or cannot tell begins anew.
 */
import { type DeviceUuid, formatBytes, limits } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import { type Claim, type Danger, type Excess, judge, type SeenDevice } from './device-claims.ts';
import type { Fence } from './fence.ts';
import type { Attempt, WorkerState } from './state.ts';
import { endOveruse } from './stops.ts';
import { noteVram } from './use.ts';

/** Two looks that happen to come together see one moment. */
const leastApartMs = 2000;

/** `seen`: all that the last look could tell; empty when it failed. */
export function onDevicesSeen(context: Context, seen: readonly SeenDevice[]): void {
  const { state, now } = context;
  const inExcess = new Set<Attempt>();
  const suspects = new Map<DeviceUuid, ReadonlyMap<string, number>>();
  noteVram(state, seen);
  for (const device of seen) {
    if (device.usedBy === undefined) continue;
    const { excesses, danger } = judge(device.freeBytes, device.usedBy, claimsOn(state, device));
    for (const excess of excesses) inExcess.add(warn(context, device, excess));
    if (danger === null) continue;
    const since = new Map(
      excesses.map(({ key }) => [key, state.suspects.get(device.uuid)?.get(key) ?? now.mono]),
    );
    suspects.set(device.uuid, since);
    const [worst] = excesses;
    // One that has just become the worst waits for its second look, and nobody ends in its place.
    if (worst === undefined || now.mono - (since.get(worst.key) ?? now.mono) < leastApartMs) continue;
    const why = `held ${partOf(device, worst)}, while ${lacks(state, danger)}`;
    endOveruse(context, attemptOf(state, worst.key), why);
  }
  state.suspects = suspects;
  const allTold = seen.length > 0 && seen.every(({ usedBy }) => usedBy !== undefined);
  if (!allTold) return;
  for (const attempt of state.attempts.values()) if (!inExcess.has(attempt)) attempt.overuse = null;
}

/** What the worker's report says of attempts in excess. */
export function overuseTroubles({ attempts }: Pick<WorkerState, 'attempts'>): readonly string[] {
  return [...attempts.values()].flatMap(({ fence, phase, overuse }) =>
    overuse === null || phase === 'ended' ? [] : [`${shortName(fence)} ${overuse}`],
  );
}

function claimsOn({ attempts }: WorkerState, { uuid, usedBy }: SeenDevice): readonly Claim[] {
  const claims: Claim[] = [];
  for (const attempt of attempts.values()) {
    const { key, phase, facts } = attempt;
    const share = facts.reservation.devices.find((one) => one.uuid === uuid);
    if (share === undefined && !usedBy?.has(key)) continue;
    const { vramBytes: reservedBytes, whole } = share ?? { vramBytes: 0, whole: false };
    claims.push({ key, reservedBytes, whole, growthBytes: growthOf(attempt), stage: stageOf(phase) });
  }
  return claims;
}

/** Of an instance that was loaded. */
function growthOf({ facts, served }: Attempt): number | undefined {
  return facts.kind === 'instance' && served?.health?.state === 'healthy'
    ? limits.instanceGrowthBytes
    : undefined;
}

function stageOf(phase: Attempt['phase']): Claim['stage'] {
  switch (phase) {
    case 'starting':
      return 'coming';
    case 'running':
      return phase;
    case 'stopping':
    case 'ended':
      return 'leaving';
  }
}

function warn(context: Context, device: SeenDevice, excess: Excess): Attempt {
  const { state, effects } = context;
  const attempt = attemptOf(state, excess.key);
  // The words of the first look stand: a report that changes with every byte would be sent at every look.
  const part = partOf(device, excess);
  attempt.overuse ??= `holds ${part}`;
  if (attempt.warnedOfOveruse) return attempt;
  attempt.warnedOfOveruse = true;
  const { fence, overuse } = attempt;
  effects.push({ kind: 'note', note: { kind: 'overuse', fence, words: overuse } });
  effects.push({
    kind: 'remark',
    fence,
    words: `this task held ${part}; such a task is ended when another lacks what was reserved for that one`,
  });
  return attempt;
}

/** `8 GiB of NVIDIA GeForce RTX 3060 (GPU-…), 5 GiB reserved for it` */
function partOf({ name, uuid }: SeenDevice, { usedBytes, reservedBytes }: Excess): string {
  return `${formatBytes(usedBytes)} of ${name} (${uuid}), ${formatBytes(reservedBytes)} reserved for it`;
}

function lacks(state: WorkerState, { key, reservedBytes, outstandingBytes, freeBytes }: Danger): string {
  const { fence } = attemptOf(state, key);
  const may = `could still take ${formatBytes(outstandingBytes)} of the ${formatBytes(reservedBytes)} reserved for it`;
  return `${shortName(fence)} beside it ${may} and ${formatBytes(freeBytes)} were free`;
}

function shortName({ task, attempt }: Fence): string {
  return `t${task}.${attempt}`;
}

function attemptOf({ attempts }: WorkerState, key: string): Attempt {
  return attempts.get(key) as Attempt;
}
