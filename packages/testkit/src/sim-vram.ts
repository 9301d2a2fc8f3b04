/**
 * The memory of one machine's devices: who holds what of it, as a driver tells, and whether an attempt that is ended for
 * what it holds has deserved it.
 */
import type { Device, DeviceUuid } from '@gryphgen/protocol';
import { keyOf, type SeenDevice, type StartOrder } from '@gryphgen/worker';
import type { Script } from './task-script.ts';

type Look = readonly SeenDevice[];

export class SimVram {
  /** What this life of the worker was told last, and before that. */
  private looks: readonly [Look, Look] = [[], []];

  /** Of the devices that are in use. Nobody gets more than there is; who came first has it. */
  look(devices: readonly Device[], running: readonly { order: StartOrder; script: Script }[]): Look {
    const seen = devices.map(({ uuid, name, vramBytes, foreignBytes }) => {
      let freeBytes = Math.max(0, vramBytes - foreignBytes);
      const usedBy = new Map<string, number>();
      for (const { order, script } of running) {
        const share = order.devices.find((one) => one.uuid === uuid);
        if (share === undefined) continue;
        // Drivers count whole bytes, whatever part of a device is charged.
        const wantedBytes = Math.round(share.vramBytes * (share.whole ? 1 : script.vramUse));
        const usedBytes = Math.min(freeBytes, wantedBytes);
        usedBy.set(keyOf(order.fence), usedBytes);
        freeBytes -= usedBytes;
      }
      return { uuid, name, freeBytes, usedBy };
    });
    return this.note(seen.filter(({ usedBy }) => usedBy.size > 0));
  }

  lookFailed(): Look {
    return this.note([]);
  }

  forgetLooks(): void {
    this.looks = [[], []];
  }

  /** Why it is not just to end this attempt, in words; `held`: all that is on the machine. */
  unjust(order: StartOrder, held: readonly StartOrder[]): string | undefined {
    const key = keyOf(order.fence);
    const reasons = order.devices.map(({ uuid, vramBytes }) => {
      const [now, before] = this.looks.map((look) => look.find((device) => device.uuid === uuid));
      for (const device of [now, before])
        if ((device?.usedBy?.get(key) ?? 0) <= vramBytes)
          return 'it was not seen beyond its part twice in a row';
      const wantedBytes = held
        .filter(({ fence }) => keyOf(fence) !== key)
        .reduce((sum, other) => sum + outstanding(other, uuid, now as SeenDevice), 0);
      return wantedBytes > (now as SeenDevice).freeBytes
        ? undefined
        : 'its neighbours can have all that is theirs';
    });
    return reasons.includes(undefined) ? undefined : (reasons[0] ?? 'it holds no device');
  }

  private note(seen: Look): Look {
    this.looks = [seen, this.looks[0]];
    return seen;
  }
}

/** What it may still take of its part. */
function outstanding({ devices, fence }: StartOrder, uuid: DeviceUuid, { usedBy }: SeenDevice): number {
  const share = devices.find((one) => one.uuid === uuid);
  return share === undefined ? 0 : Math.max(0, share.vramBytes - (usedBy?.get(keyOf(fence)) ?? 0));
}
