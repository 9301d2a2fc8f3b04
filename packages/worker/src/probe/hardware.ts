/** What the machine is made of, for people to read. Looked up once: it does not change while the worker runs. */
import { type Hardware, limits } from '@gryphgen/protocol';
import { blockDevices, cpu, mem, networkInterfaces, osInfo } from 'systeminformation';

/** `engines` are told by those who talk to them. */
export async function probeHardware(): Promise<Omit<Hardware, 'engines'>> {
  const [processor, memory, system, disks, networks] = await Promise.all([
    cpu(),
    mem(),
    osInfo(),
    blockDevices(),
    networkInterfaces(),
  ]);
  const { l2, l3 } = processor.cache;
  return {
    cpu: {
      model: ascii(`${processor.manufacturer} ${processor.brand}`, 128),
      cores: whole(processor.physicalCores),
      threads: whole(processor.cores),
      cacheBytes: whole(l3) || whole(l2),
    },
    swapBytes: whole(memory.swaptotal),
    system: ascii(`${system.distro} ${system.release}, Linux ${system.kernel}, ${system.arch}`, 128),
    disks: disks
      .filter(({ type, size }) => type === 'disk' && size > 0)
      .slice(0, limits.partsShown)
      .map(({ name, model, physical, size }) => ({
        name: ascii(model === '' ? name : `${name} ${model}`, 64),
        kind: ascii(physical, 16),
        sizeBytes: whole(size),
      })),
    networks: [networks]
      .flat()
      .filter(({ internal, operstate }) => !internal && operstate === 'up')
      .slice(0, limits.partsShown)
      .map(({ iface, speed }) => ({ name: ascii(iface, 64), mbitPerS: whole(speed) })),
  };
}

/** A name of its own making may hold anything; what cannot be shown anywhere is left out. */
export function ascii(text: string, chars: number): string {
  return text
    .replace(/[^ -~]+/g, '')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, chars);
}

/** Virtual machines answer -1, null and fractions. */
function whole(value: number | null | undefined): number {
  return Number.isFinite(value) ? Math.max(0, Math.round(value as number)) : 0;
}
