/**
 * A priority rises while a class waits in vain, so that nothing waits for ever behind what has a higher one.
 *
 * 1. What counts is the time in which none of the class was placed: many that wait together do not rise above everybody else
 *    because they are many. What is placed once in `limits.agingMs` never rises: there what each principal has had decides.
 */
import { limits } from '@gryphgen/protocol';
import type { Task } from '../state.ts';
import type { WaitingClass } from './waiting-queue.ts';

/** Points of priority for each `limits.agingMs`. */
const agingStep = 10;
/** From the lowest priority to above the highest. */
const agingSteps = 21;

/** Wall ms since which the first of a class waits for its turn. */
export function waitsSince(from: WaitingClass, { submittedAt, requeuedAt }: Task): number {
  return Math.max(submittedAt, requeuedAt, from.servedAt);
}

/** Of the first of a class. */
export function agedPriority(from: WaitingClass, first: Task, wall: number): number {
  const waitedMs = wall - waitsSince(from, first);
  if (waitedMs < limits.agingMs) return from.priority;
  return from.priority + agingStep * Math.min(agingSteps, Math.floor(waitedMs / limits.agingMs));
}
