/** What a driver calls a device. */
import { type DeviceUuid, limits } from '@gryphgen/protocol';

/** It goes into environments and requests as an item of a list: nothing in it may end the item. */
export function isDeviceUuid(text: string): text is DeviceUuid {
  return text.length <= limits.uuidChars && /^(?:GPU|MIG)-[0-9A-Za-z/-]+$/.test(text);
}
