/**
 * How fast llama.cpp computes on the host and on each device, measured with a model that is here: what is known of a machine
 * before any of its models has answered there.
 *
 * 1. With the largest model that fits: a small one lies in caches, and says little of others. Once a seat, and again for another
 *    version of its engine or a model `muchLarger`.
 * 2. What cannot be measured is said in the log, and not tried again with the same model and engines while this worker lives.
 */
import { freemem } from 'node:os';
import { type Device, type DeviceUuid, hostSeat, type ModelRate } from '@gryphgen/protocol';
import type { Log } from '@gryphgen/runtime';
import { engineEnvironment, type ProgramPaths } from '../engines/engine-environment.ts';
import type { LlamaEngines } from '../engines/llama-engines.ts';
import type { HeldModel, HeldModels } from './held-models.ts';
import { benchBeside, runBench } from './llama-bench.ts';

const muchLarger = 4;
/** Beside the weights: a short context, what computing takes, the driver. */
const besideBytes = 1024 ** 3;
/** Of what is free of the host. */
const hostShare = 0.5;

/** What of a machine the calibrator has to know of this. */
export interface SeatsHere {
  readonly devices: readonly Device[];
  /** Cores: twice as many threads as that write slower. */
  readonly cores: number;
}

export interface ModelRatesOptions {
  readonly engines: LlamaEngines;
  readonly models: HeldModels;
  readonly paths: ProgramPaths;
  readonly log: Log;
}

export class ModelRates {
  private readonly options: ModelRatesOptions;
  private readonly failed = new Set<string>();

  constructor(options: ModelRatesOptions) {
    this.options = options;
  }

  /** One that is not known yet; null when there is none that could be measured now. */
  async next(
    known: readonly ModelRate[],
    { devices, cores }: SeatsHere,
    signal: AbortSignal,
  ): Promise<ModelRate | null> {
    const { engines } = this.options.engines;
    if (engines.length === 0) return null;
    const models = await this.options.models.list();
    const versions = engines.map(({ version }) => version);
    const seats = [
      { seat: hostSeat, uuids: [], freeBytes: freemem() * hostShare },
      ...devices.map(({ uuid, vramBytes, foreignBytes }) => ({
        ...{ seat: uuid, uuids: [uuid], freeBytes: vramBytes - foreignBytes - besideBytes },
      })),
    ];
    for (const { seat, uuids, freeBytes } of seats) {
      const model = models.find(({ bytes }) => bytes <= freeBytes);
      if (model === undefined) continue;
      const before = known.find((rate) => rate.seat === seat);
      const stands = before !== undefined && versions.includes(before.engine);
      if (stands && model.bytes < muchLarger * before.modelBytes) continue;
      const trial = [seat, model.id, ...versions].join(' ');
      if (this.failed.has(trial)) continue;
      const rate = await this.measured(seat, uuids, model, cores, signal);
      if (signal.aborted) return null;
      if (typeof rate !== 'string') return rate;
      this.failed.add(trial);
      this.options.log.info({ seat, model: model.id, why: rate }, 'how models run there is not measured');
    }
    return null;
  }

  private async measured(
    seat: string,
    uuids: readonly DeviceUuid[],
    { path, bytes, tokenBytes }: HeldModel,
    cores: number,
    signal: AbortSignal,
  ): Promise<ModelRate | string> {
    const { engines, paths } = this.options;
    const chosen = await engines.choose(uuids);
    if ('code' in chosen) return chosen.message;
    const { engine, device } = chosen;
    const program = await benchBeside(engine.path);
    if (program === undefined) return `there is no llama-bench beside ${engine.path}`;
    const env = engineEnvironment(paths, '/', uuids);
    const found = await runBench({ program, model: path, device, threads: cores, env }, signal);
    if (typeof found === 'string') return `${program}: ${found}`;
    return {
      seat,
      weightsBytesPerS: Math.round(found.written * tokenBytes),
      promptTokensPerS: Math.round(found.prompt),
      engine: engine.version,
      modelBytes: bytes,
    };
  }
}
