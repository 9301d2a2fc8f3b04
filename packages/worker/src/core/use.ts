/** What attempts use while they run: what executors and looks at the devices see of it, and what is told of that. */
import type { Fetched, Use } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import type { SeenDevice } from './device-claims.ts';
import type { Reading } from './events.ts';
import { type Fence, keyOf } from './fence.ts';
import type { Attempt, WorkerState } from './state.ts';

/** Time on processors is counted in ticks: over less than this it says nothing of now. */
const leastApartMs = 500;

/** Of one that has ended meanwhile it is late. */
export function onUsed({ state, now }: Context, fence: Fence, { cpuMs, memoryBytes }: Reading): void {
  const attempt = state.attempts.get(keyOf(fence));
  if (attempt === undefined || attempt.phase === 'ended') return;
  const before = attempt.reading ?? {
    atMono: attempt.startedMono,
    cpuMs: 0,
    cpuMilli: undefined,
    memoryBytes,
  };
  const passedMs = now.mono - before.atMono;
  attempt.reading =
    passedMs < leastApartMs
      ? { ...before, memoryBytes }
      : {
          atMono: now.mono,
          cpuMs,
          cpuMilli: Math.max(0, Math.round((1000 * (cpuMs - before.cpuMs)) / passedMs)),
          memoryBytes,
        };
}

export function noteFetched({ attempts }: WorkerState, fetched: ReadonlyMap<string, Fetched>): void {
  for (const attempt of attempts.values()) attempt.fetched = fetched.get(attempt.key) ?? null;
}

/** Of several devices it is told only when of all of them it can be. */
export function noteVram({ attempts }: WorkerState, seen: readonly SeenDevice[]): void {
  for (const attempt of attempts.values()) {
    const { devices } = attempt.facts.reservation;
    if (devices.length === 0 || attempt.phase === 'ended') continue;
    let vramBytes: number | null = 0;
    for (const { uuid } of devices) {
      const usedBy = seen.find((device) => device.uuid === uuid)?.usedBy;
      vramBytes =
        usedBy === undefined || vramBytes === null ? null : vramBytes + (usedBy.get(attempt.key) ?? 0);
    }
    attempt.vramBytes = vramBytes;
    if (vramBytes !== null) attempt.peakVramBytes = Math.max(attempt.peakVramBytes ?? 0, vramBytes);
  }
}

/** Undefined where nothing is known, and of one that has ended. */
export function useOf({ phase, reading, vramBytes, fetched }: Attempt): Use | undefined {
  if (phase === 'ended' || (reading === null && vramBytes === null && fetched === null)) return undefined;
  return {
    ...(reading?.cpuMilli !== undefined && { cpuMilli: reading.cpuMilli }),
    ...(reading !== null && { memoryBytes: reading.memoryBytes }),
    ...(vramBytes !== null && { vramBytes }),
    ...(fetched !== null && { fetched }),
  };
}

/** Host memory that is the attempts': of one of which nothing is known, what is reserved for it. */
export function memoryOfAttempts(attempts: Iterable<Attempt>): number {
  let bytes = 0;
  for (const { phase, reading, facts } of attempts)
    if (phase !== 'ended') bytes += reading?.memoryBytes ?? facts.reservation.memoryBytes;
  return bytes;
}
