/** When an attempt has ended at the latest, as far as its task says. */
import { defaultStopGraceMs, type Envelope, limits } from '@gryphgen/protocol';
import type { Task } from '../state.ts';

/** From its placement; Infinity of a task without a limit. A timeout bounds the wait for an image, and then the run. */
export function longestMs({ timeoutMs, image, stopGraceMs = defaultStopGraceMs, restart }: Envelope): number {
  if (timeoutMs === 0 || restart !== undefined) return Number.POSITIVE_INFINITY;
  return (image === undefined ? 1 : 2) * timeoutMs + Math.min(stopGraceMs, limits.stopGraceMs);
}

/** Wall ms at which its attempt has ended. */
export function endsBy({ spec, lease }: Task, wall: number): number {
  const from = lease === null ? wall : lease.startedAt || lease.leasedAt;
  return from + longestMs(spec.envelope);
}
