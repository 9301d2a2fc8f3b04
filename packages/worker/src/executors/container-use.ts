/**
 * What one container uses, as the kernel tells of its control group, of version 1 or 2.
 *
 * 1. It is looked at after `firstMs`, then each time after twice as long, at least every `mostMs`: what is over sooner costs
 *    no question. The group goes with the container's end, so of one that the engine alone ended the last look counts;
 *    what its shell told of (warm-launcher.ts) can be looked at once more.
 * 2. Memory is what only the container's own end frees: pages of files that the kernel can drop do not count.
 * 3. No question goes to the engine. Where its groups are not found here (it is elsewhere) nothing is known.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Usage } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';
import type { Reading } from '../core/events.ts';

const firstMs = 100;
const mostMs = 2000;

/** Below the folder of a hierarchy: of Docker and of Podman, as they and as systemd name them. */
const places = [
  'docker/ID',
  'system.slice/docker-ID.scope',
  'machine.slice/libpod-ID.scope',
  'libpod_parent/libpod-ID',
];

interface Look extends Reading {
  readonly peakBytes: number;
}

/**
 * Tells each look that found something. What is returned looks once more, and gives what was seen; where nothing was,
 * nothing is known.
 */
export function watchUse(
  id: string,
  alarms: Alarms,
  tell: (reading: Reading) => void,
  root = '/sys/fs/cgroup',
): () => Usage | undefined {
  let cancel: Cancel = () => undefined;
  let known: Required<Pick<Usage, 'cpuMs' | 'peakMemoryBytes'>> | undefined;
  const look = () => {
    const seen = seenIn(root, id);
    if (seen === undefined) return undefined;
    const { cpuMs = 0, peakMemoryBytes = 0 } = known ?? {};
    known = {
      cpuMs: Math.max(cpuMs, seen.cpuMs),
      peakMemoryBytes: Math.max(peakMemoryBytes, seen.memoryBytes, seen.peakBytes),
    };
    return seen;
  };
  const lookAfter = (ms: number) => {
    cancel = alarms.after(ms, () => {
      const seen = look();
      if (seen !== undefined) tell(seen);
      lookAfter(Math.min(2 * ms, mostMs));
    });
  };
  lookAfter(firstMs);
  return () => {
    cancel();
    look();
    return known;
  };
}

function seenIn(root: string, id: string): Look | undefined {
  for (const place of places) {
    const folder = place.replace('ID', id);
    const look = versionTwo(join(root, folder)) ?? versionOne(root, folder);
    if (look !== undefined) return look;
  }
  return undefined;
}

function versionTwo(folder: string): Look | undefined {
  const [usage, stat, cpu] = read([
    `${folder}/memory.current`,
    `${folder}/memory.stat`,
    `${folder}/cpu.stat`,
  ]);
  if (usage === undefined || stat === undefined || cpu === undefined) return undefined;
  // Kernels before 5.19 keep no peak.
  const [peak = '0'] = read([`${folder}/memory.peak`]);
  const fileBytes = field(stat, 'inactive_file') + field(stat, 'active_file');
  return lookOf(field(cpu, 'usage_usec') / 1000, Number(usage), Number(peak), fileBytes);
}

function versionOne(root: string, folder: string): Look | undefined {
  const memory = `${root}/memory/${folder}`;
  const cpu = `${root}/cpuacct/${folder}/cpuacct.usage`;
  const [usage, peak, stat, cpuNs] = read([
    `${memory}/memory.usage_in_bytes`,
    `${memory}/memory.max_usage_in_bytes`,
    `${memory}/memory.stat`,
    cpu,
  ]);
  if (usage === undefined || peak === undefined || stat === undefined || cpuNs === undefined)
    return undefined;
  const fileBytes = field(stat, 'total_inactive_file') + field(stat, 'total_active_file');
  return lookOf(Number(cpuNs) / 1e6, Number(usage), Number(peak), fileBytes);
}

/** The kernel's peak counts pages of files; those that are there now are taken to have been there then. */
function lookOf(cpuMs: number, usageBytes: number, peakBytes: number, fileBytes: number): Look {
  return {
    cpuMs: Math.round(cpuMs),
    memoryBytes: Math.max(0, usageBytes - fileBytes),
    peakBytes: Math.max(0, peakBytes - fileBytes),
  };
}

/** In order, up to the first that cannot be read. */
function read(files: readonly string[]): readonly string[] {
  const texts: string[] = [];
  for (const file of files) {
    try {
      texts.push(readFileSync(file, 'latin1'));
    } catch {
      break;
    }
  }
  return texts;
}

function field(stat: string, name: string): number {
  return Number(new RegExp(`^${name} ([0-9]+)$`, 'm').exec(stat)?.[1] ?? 0);
}
