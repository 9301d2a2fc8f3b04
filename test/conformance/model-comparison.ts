/**
 * Estimates of models' memory beside llama.cpp's own: `npx tsx test/conformance/model-comparison.ts` prints the table that
 * docs/internals/model-memory.md tells of.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ModelDescription } from '@gryphgen/protocol';
import { readModel } from '@gryphgen/runtime';
import { estimateMemory, offloadLast } from '@gryphgen/scheduler';
import { writeSparseGguf } from '@gryphgen/testkit';
import { type FittedUse, fitParams, startRpcDevice } from './fit-params.ts';
import { models, optionsOf, type Setting, settings } from './model-cases.ts';

export interface Compared {
  readonly model: string;
  readonly setting: string;
  readonly device: string;
  readonly what: 'weights' | 'cache' | 'compute';
  /** MiB: of llama.cpp, and ours. */
  readonly actual: number;
  readonly estimated: number;
}

const MiB = 1024 ** 2;
/** As many as the machine that judges has cores. */
const AT_ONCE = 2;

/** What a difference is held to: 5 %, or 64 MiB. */
export const isNear = ({ actual, estimated }: Compared): boolean =>
  Math.abs(estimated - actual) <= Math.max(64, actual * 0.05);

/** Each model with each setting; `done` as each is compared. */
export async function compareAll(done: (found: readonly Compared[]) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gg-models-'));
  const devices = await Promise.all([startRpcDevice(), startRpcDevice()]);
  const addresses = devices.map(({ address }) => address);
  try {
    const left = Object.keys(models);
    const work = async (): Promise<void> => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        const path = join(folder, `${name.replaceAll(/\W/g, '-')}.gguf`);
        const model = await described(path, name);
        for (const [setting, of] of Object.entries(settings)) {
          const uses = await fitParams(path, optionsOf(of, addresses));
          done(uses.flatMap((use) => compared(name, setting, use, model, of)));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    await Promise.all(devices.map(({ stop }) => stop()));
    await rm(folder, { recursive: true });
  }
}

async function described(path: string, name: string): Promise<ModelDescription> {
  const { metadata, tensors } = models[name]!;
  await writeSparseGguf(path, metadata, tensors);
  const read = await readModel(path);
  if (read.kind === 'refused') throw new Error(read.reason);
  return read.model;
}

function compared(
  name: string,
  setting: string,
  { device, ...actual }: FittedUse,
  model: ModelDescription,
  { settings: of, offloaded, shares }: Setting,
): Compared[] {
  const offload = offloadLast(model.layers.length, offloaded, shares);
  const estimate = estimateMemory(model, of, offload, 0);
  const use = device === 'Host' ? estimate.host : estimate.devices[Number(device.slice('RPC'.length))];
  if (use === undefined) throw new Error(`${setting} has a device ${device} that was not asked for`);
  const ours = { weights: use.weightBytes, cache: use.cacheBytes, compute: use.computeBytes };
  return (['weights', 'cache', 'compute'] as const).map((what) => ({
    model: name,
    setting,
    device,
    what,
    actual: actual[what],
    estimated: Math.floor(ours[what] / MiB),
  }));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log('| model | setting | device | weights | cache | compute |\n|---|---|---|---|---|---|');
  void compareAll((found) => {
    for (let i = 0; i < found.length; i += 3) {
      const three = found.slice(i, i + 3);
      const { model, setting, device } = three[0]!;
      const cells = three.map(({ actual, estimated }) => `${actual} / ${estimated}`);
      console.log(`| ${model} | ${setting} | ${device} | ${cells.join(' | ')} |`);
    }
  });
}
