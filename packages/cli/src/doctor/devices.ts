/** GPUs: what nvidia-smi tells, and cards that it does not tell of. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DevicesFound } from '@gryphgen/worker';
import type { Check } from './check.ts';
import { adviceFor } from './nvidia.ts';

const pciFolder = '/sys/bus/pci/devices';
const nvidiaVendor = '0x10de';
/** Base class of display controllers. */
const displayClass = '0x03';

export function checkDevices(found: DevicesFound, cards: number): Check {
  const name = 'devices';
  if (!found.ok) {
    if (!found.missing) return { name, state: 'warning', found: found.why, fix: adviceFor(found.why) };
    if (cards === 0) return { name, state: 'ok', found: 'no NVIDIA GPU' };
    return {
      name,
      state: 'warning',
      found: `${plural(cards, 'NVIDIA card')}, but no nvidia-smi`,
      fix: 'install the driver (Debian: sudo apt-get install nvidia-driver nvidia-smi), then reboot',
    };
  }
  const { devices, problems } = found.reading;
  const [problem] = problems;
  if (problem !== undefined)
    return { name, state: 'warning', found: problems.join('; '), fix: adviceFor(problem) };
  return { name, state: 'ok', found: devices.length === 0 ? 'no NVIDIA GPU' : plural(devices.length, 'GPU') };
}

/** NVIDIA's cards on the bus, driver or not. */
export function nvidiaCards(folder: string = pciFolder): number {
  try {
    return readdirSync(folder).filter(
      (name) =>
        readFileSync(join(folder, name, 'vendor'), 'utf8').trim() === nvidiaVendor &&
        readFileSync(join(folder, name, 'class'), 'utf8').startsWith(displayClass),
    ).length;
  } catch {
    return 0; // a machine without such a bus
  }
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
