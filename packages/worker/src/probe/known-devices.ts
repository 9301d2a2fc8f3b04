/**
 * The devices a worker offers, from one reading to the next.
 *
 * 1. One failed reading changes nothing: drivers hang for a moment. After `patience` of them in a row nothing is
 *    offered: work that is placed on a card which cannot be seen would only fail there.
 * 2. A card that a whole report lacks has fallen off, and that is told until it is back. One that a report lacks which
 *    is cut short stays.
 * 3. Memory held outside the grid is known exactly where processes can be told apart (device-use.ts).
 */
import { type Device, type DeviceUuid, limits } from '@gryphgen/protocol';
import type { SeenDevice } from '../core/device-claims.ts';
import type { Holder } from './device-probe.ts';
import { allForeign, attribute, type Owners } from './device-use.ts';
import type { DevicesFound } from './nvidia-smi.ts';

const patience = 3;

export class KnownDevices {
  private known: ReadonlyMap<DeviceUuid, Device> = new Map();
  private readonly lost = new Map<DeviceUuid, Device>();
  private failures = 0;
  /** What is wrong, in words; empty when nothing is. */
  troubles: readonly string[] = [];

  get devices(): readonly Device[] {
    return [...this.known.values()];
  }

  /** Returns what is seen of the devices that attempts hold; of any other no process is ours. */
  take(found: DevicesFound, holders: readonly Holder[], owners: Owners | undefined): readonly SeenDevice[] {
    if (!found.ok) {
      this.onFailure(found.missing && this.known.size === 0 ? '' : found.why);
      return [];
    }
    const reserved = reservations(holders);
    const seen: SeenDevice[] = [];
    this.failures = 0;
    const { devices, complete, problems } = found.reading;
    const next = new Map(complete ? [] : this.known);
    for (const reading of devices) {
      const { uuid } = reading.device;
      const reservedFor = reserved.get(uuid);
      if (reservedFor === undefined) next.set(uuid, allForeign(reading));
      else {
        const use = attribute(reading, owners, reservedFor, this.known.get(uuid));
        next.set(uuid, use.device);
        seen.push(use.seen);
      }
    }
    for (const [uuid, device] of this.known) if (!next.has(uuid)) this.lost.set(uuid, device);
    for (const uuid of next.keys()) this.lost.delete(uuid);
    this.known = new Map([...next].slice(0, limits.devices));
    this.troubles = [
      ...problems,
      ...[...this.lost.values()].map(({ name, uuid }) => `${name} (${uuid}) fell off: it was there before`),
      ...(complete ? [] : ['what nvidia-smi prints ends early; cards may be missing']),
      ...seen.flatMap(({ name, usedBy }) => (usedBy === undefined ? [untold(name)] : [])),
    ];
    return seen;
  }

  private onFailure(why: string): void {
    this.failures += 1;
    const withdrawn = this.failures >= patience && this.known.size > 0;
    if (withdrawn) {
      for (const [uuid, device] of this.known) this.lost.set(uuid, device);
      this.known = new Map();
    }
    const lost =
      this.lost.size === 0 ? '' : `; ${this.lost.size} cards that it showed before are not offered`;
    this.troubles = why === '' ? [] : [`${why}${lost}`];
  }
}

function untold(name: string): string {
  return `it cannot be told whose memory it is on ${name}: nothing is ended for taking more than its part of it`;
}

/** By device and attempt: bytes. */
function reservations(holders: readonly Holder[]): ReadonlyMap<DeviceUuid, ReadonlyMap<string, number>> {
  const reserved = new Map<DeviceUuid, Map<string, number>>();
  for (const { key, shares } of holders) {
    for (const { uuid, vramBytes } of shares) {
      const onDevice = reserved.get(uuid) ?? new Map<string, number>();
      reserved.set(uuid, onDevice.set(key, vramBytes));
    }
  }
  return reserved;
}
