/**
 * Which of the devices that an engine lists are the very cards that an instance was given.
 *
 * 1. By CUDA it lists those that it is shown, in their order: these. By others (Vulkan) it lists all of the machine, without their uuids: they
 *    are known by name and memory, and those that are alike by their order, which is that of the PCI bus for both drivers.
 * 2. Nothing is guessed: where as many are not listed as there are, it is none of them.
 */
import { type Device, type DeviceUuid, formatComputeCapability } from '@gryphgen/protocol';
import type { EngineDevice, LlamaEngine, Probed } from './llama-probe.ts';

/** As nvidia-smi has it. */
export type Card = Pick<Device, 'uuid' | 'index' | 'name' | 'vramBytes' | 'computeCapability'>;

/** What drivers keep for themselves counts for one, and not for the other. */
const memorySlack = 0.1;

/** As `--device` takes them, in the order of `wanted`; why not. */
export function listedAs(
  engine: LlamaEngine,
  listed: readonly EngineDevice[],
  wanted: readonly DeviceUuid[],
  cards: readonly Card[],
): Probed<string> {
  const of = (backend: string) => listed.filter((device) => device.backend === backend);
  const lacking = cards.find((card) => wanted.includes(card.uuid) && !hasKernelsFor(engine, card));
  const cuda = of('cuda');
  if (lacking === undefined && cuda.length > 0) {
    if (cuda.length === wanted.length) return { ok: true, value: namesOf(cuda) };
    return { ok: false, why: `${engine.path} lists as devices: ${shown(listed)}` };
  }
  for (const backend of new Set(listed.map((device) => device.backend))) {
    const found = backend === 'cuda' ? undefined : byName(of(backend), wanted, cards);
    if (found === undefined) continue;
    if (found.length < of(backend).length && !engine.flags.has('--device'))
      return { ok: false, why: `${engine.path} cannot be told on which of several devices to compute` };
    return { ok: true, value: namesOf(found) };
  }
  if (lacking !== undefined) return { ok: false, why: kernelWords(engine, lacking) };
  return { ok: false, why: `${engine.path} lists as devices: ${shown(listed)}` };
}

/** Whether a CUDA build has code for it, as far as that is known. */
function hasKernelsFor({ leastCapability = 0 }: LlamaEngine, { computeCapability }: Card): boolean {
  return computeCapability === 0 || computeCapability >= leastCapability;
}

function kernelWords({ path, leastCapability = 0 }: LlamaEngine, { name, computeCapability }: Card): string {
  const [least, has] = [leastCapability, computeCapability].map(formatComputeCapability);
  return `${path} is built with a CUDA that compiles for compute capability ${least} and newer, and ${name} has ${has}: a build with an older CUDA, or Vulkan, computes on it`;
}

function byName(
  listed: readonly EngineDevice[],
  wanted: readonly DeviceUuid[],
  cards: readonly Card[],
): readonly EngineDevice[] | undefined {
  // One is listed, and one there is: it needs no name.
  if (wanted.length === 1 && listed.length === 1 && cards.length < 2) return listed;
  const found = wanted.map((uuid) => {
    const card = cards.find((one) => one.uuid === uuid);
    if (card === undefined) return undefined;
    const alike = cards.filter((one) => isAlike(nameOf(one.name), one.vramBytes, card));
    const shown = listed.filter(({ description, totalBytes }) =>
      isAlike(nameOf(description), totalBytes, card),
    );
    const ordered = alike.toSorted((a, b) => a.index - b.index);
    return shown.length === alike.length ? shown[ordered.indexOf(card)] : undefined;
  });
  return found.every((device) => device !== undefined) ? found : undefined;
}

function isAlike(name: string, bytes: number, card: Card): boolean {
  return name === nameOf(card.name) && Math.abs(bytes - card.vramBytes) <= memorySlack * card.vramBytes;
}

/** Older drivers leave the maker out. */
function nameOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/^nvidia /, '')
    .trim();
}

function shown(devices: readonly EngineDevice[]): string {
  return devices.map(({ name }) => name).join(', ') || 'none';
}

function namesOf(devices: readonly EngineDevice[]): string {
  return devices.map(({ name }) => name).join();
}
