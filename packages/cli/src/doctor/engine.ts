/** What the Docker engine says it can do: hold tasks to their limits, layer images well, hand out GPUs. */
import { readdirSync } from 'node:fs';
import { z } from 'zod';
import type { Check } from './check.ts';

/** Engines leave out what they do not know. */
const infoSchema = z.object({
  Driver: z.string().default(''),
  DockerRootDir: z.string().default(''),
  MemoryLimit: z.boolean().default(true),
  CpuCfsQuota: z.boolean().default(true),
  PidsLimit: z.boolean().default(true),
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
  CDISpecDirs: z.array(z.string()).nullish(),
});
export type EngineInfo = z.infer<typeof infoSchema>;

/** Undefined when this is not what an engine says of itself. */
export function readEngineInfo(text: string): EngineInfo | undefined {
  try {
    return infoSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function checkEngine({ Driver, MemoryLimit, CpuCfsQuota, PidsLimit }: EngineInfo): Check {
  const name = 'engine';
  const unlimited = [!MemoryLimit && 'memory', !CpuCfsQuota && 'CPU', !PidsLimit && 'processes'].filter(
    (what) => what !== false,
  );
  if (unlimited.length > 0)
    return {
      name,
      state: 'warning',
      found: `it cannot limit ${unlimited.join(', ')}: a task may take what others were promised`,
      fix: 'see "kernel", and docker info for its warnings',
    };
  if (Driver === 'vfs')
    return {
      name,
      state: 'warning',
      found: 'it copies every layer of an image (vfs): slow, and large',
      fix: 'sudo modprobe overlay, set "storage-driver": "overlay2" in /etc/docker/daemon.json, restart it',
    };
  return { name, state: 'ok', found: `limits memory, CPU and processes, images on ${Driver || 'its own'}` };
}

export interface Toolkit {
  /** Cards that the driver tells of. */
  readonly devices: number;
  /** `nvidia-container-runtime-hook` is on the PATH: the engine looks for it when it starts. */
  readonly hook: boolean;
}

/** Processes use GPUs without it. */
export function checkToolkit(engine: EngineInfo | undefined, { devices, hook }: Toolkit): Check {
  const name = 'toolkit';
  if (devices === 0) return { name, state: 'ok', found: 'not needed without a GPU' };
  if (engine === undefined) return { name, state: 'ok', found: 'not needed without an engine' };
  const configure = 'sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker';
  const registered = Object.hasOwn(engine.Runtimes ?? {}, 'nvidia');
  const cdi = (engine.CDISpecDirs ?? []).some(describesNvidia);
  if (!hook && !registered && !cdi)
    return {
      name,
      state: 'warning',
      found: 'no NVIDIA container toolkit: containers get no GPU, processes do',
      fix: `install nvidia-container-toolkit (from NVIDIA's package repository), then ${configure}`,
    };
  if (!registered && !cdi)
    return {
      name,
      state: 'warning',
      found: 'the NVIDIA container toolkit is installed, and the engine does not know it',
      fix: configure,
    };
  const ways = [registered && 'runtime nvidia', cdi && 'CDI'].filter((way) => way !== false);
  return { name, state: 'ok', found: `the engine can hand out GPUs (${ways.join(', ')})` };
}

function describesNvidia(folder: string): boolean {
  try {
    return readdirSync(folder).some((file) => /nvidia.*\.(ya?ml|json)$/.test(file));
  } catch {
    return false; // engines name folders that need not be there
  }
}
