/** What leases hold, as quotas count it (quotas.ts). */
import type { Quota, Reservation } from '@gryphgen/protocol';

export type Held = Required<Quota>;

export const nothingHeld: Held = { cpuMilli: 0, memoryBytes: 0, vramBytes: 0, devices: 0 };

/** A whole device counts with all its memory, too. */
export function heldBy({ cpuMilli, memoryBytes, devices }: Omit<Reservation, 'diskBytes'>): Held {
  let [vramBytes, whole] = [0, 0];
  for (const share of devices) {
    vramBytes += share.vramBytes;
    if (share.whole) whole += 1;
  }
  return { cpuMilli, memoryBytes, vramBytes, devices: whole };
}

/** `by`: 1, or -1 for what is held no more. */
export function addHeld(
  to: { -readonly [K in keyof Held]: Held[K] },
  reservation: Reservation,
  by: 1 | -1,
): void {
  const { cpuMilli, memoryBytes, vramBytes, devices } = heldBy(reservation);
  to.cpuMilli += by * cpuMilli;
  to.memoryBytes += by * memoryBytes;
  to.vramBytes += by * vramBytes;
  to.devices += by * devices;
}
