/**
 * What is free of a host's memory.
 *
 * 1. What is reserved counts whether it is used or not: whoever it is reserved for may use it at any time.
 * 2. What attempts hold beyond that, and what is held outside the grid, is never given away. Both pass, so neither counts
 *    against what the machine could ever take.
 */
import type { WorkerReport } from '@gryphgen/protocol';
import type { WorkerView } from './worker-view.ts';

/** Kept free beside memory held outside the grid, which grows without asking. */
export const FOREIGN_MEMORY_MARGIN_BYTES = 256 * 1024 ** 2;
/** On a small machine this part of its memory. */
const SMALL_MACHINE_PART = 1 / 32;

/** Less than nothing where more is used than there is. */
export function freeMemory(view: Pick<WorkerView, 'ledger' | 'beyondBytes'>, report: WorkerReport): number {
  return report.memoryBytes - view.ledger.memoryBytes - view.beyondBytes - foreignMemory(report);
}

/** Held outside the grid, with the margin; 0 where that is not known. */
export function foreignMemory({ memoryBytes, foreignBytes = 0 }: WorkerReport): number {
  if (foreignBytes === 0) return 0;
  return foreignBytes + Math.min(FOREIGN_MEMORY_MARGIN_BYTES, memoryBytes * SMALL_MACHINE_PART);
}
