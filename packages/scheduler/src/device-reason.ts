/** Why a device will not do, in words and numbers: what it has, what was asked, how much is short. */
import {
  type Device,
  formatBytes,
  formatComputeCapability,
  type GpuRequest,
  pressureWords,
} from '@gryphgen/protocol';
import {
  capabilityLack,
  freeVram,
  type Held,
  type Mode,
  nameLack,
  partBytesOn,
  partLack,
  uuidLack,
  wholeLack,
} from './device-fit.ts';

const MiB = 1024 ** 2;
/** A request above a card by at most this share was probably meant for it: 6 GiB for a "6 GB" card of 6064 MiB. */
const NEAR_MISS = 0.05;

/** Only where `deviceLack` is not 0. */
export function deviceReason(gpu: GpuRequest, device: Device, held: Held, mode: Mode): string {
  const causes: string[] = [];
  if (uuidLack(gpu, device) > 0)
    causes.push(`is ${device.uuid}, ${gpu.kind === 'parts' ? 'another' : gpu.uuid} asked`);
  if (nameLack(gpu, device) > 0) causes.push(`does not have "${gpu.name}" in its name`);
  if (capabilityLack(gpu, device) > 0) causes.push(tooOld(gpu, device));
  const vramBytes = gpu.kind === 'whole' ? 0 : partBytesOn(gpu, device);
  if (gpu.kind !== 'whole' && partLack(vramBytes, device, held, mode) > 0)
    causes.push(tooSmall(vramBytes, device, held));
  if (gpu.kind === 'whole' && wholeLack(device, held, mode) > 0) {
    causes.push(`is not free to be held whole (${useOf(device, held)})`);
  }
  if (mode === 'now' && device.pressure !== undefined) causes.push(`is ${pressureWords(device.pressure)}`);
  return `${device.name} ${causes.join(', ')}`;
}

function tooOld(gpu: GpuRequest, { computeCapability }: Device): string {
  const asked = formatComputeCapability(gpu.minComputeCapability ?? 0);
  const has =
    computeCapability === 0
      ? 'an unknown compute capability'
      : `compute capability ${formatComputeCapability(computeCapability)}`;
  return `has ${has}, at least ${asked} asked`;
}

function tooSmall(vramBytes: number, device: Device, held: Held): string {
  const asked = `${formatBytes(vramBytes)} asked`;
  const has = formatBytes(device.vramBytes);
  const short = vramBytes - device.vramBytes;
  if (short > 0) return `has ${has}, ${asked}: ${formatBytes(short)} short${nearMissHint(device, short)}`;
  if (held?.whole) return `is wholly held by another attempt, ${asked}`;
  const free = Math.max(0, freeVram(device, held, 'now'));
  return `has ${formatBytes(free)} free of ${has} (${useOf(device, held)}), ${asked}: ${formatBytes(vramBytes - free)} short`;
}

/** The size is written as the command line takes it back. */
function nearMissHint({ vramBytes }: Device, short: number): string {
  return short > NEAR_MISS * vramBytes
    ? ''
    : ` (ask for ${Math.floor(vramBytes / MiB)}MiB or less to fit this card)`;
}

function useOf({ foreignBytes }: Device, held: Held): string {
  const uses: string[] = [];
  if (held !== undefined) {
    uses.push(
      `${held.holders} attempt${held.holders === 1 ? '' : 's'} holding ${formatBytes(held.vramBytes)}`,
    );
  }
  if (foreignBytes > 0) uses.push(`${formatBytes(foreignBytes)} held outside any reservation`);
  return uses.join(', ');
}
