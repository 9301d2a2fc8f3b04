/** What a lease of an instance comes to: the model's files in place, an engine that can, a key, a command. */
import { join } from 'node:path';
import {
  type DeviceUuid,
  type Failure,
  failure,
  type InstanceBody,
  instanceBodySchema,
  readBody,
} from '@gryphgen/protocol';
import type { Random } from '@gryphgen/runtime';
import type { Files, Given } from '../artifacts/attempt-files.ts';
import { keyOf } from '../core/fence.ts';
import { engineEnvironment, type ProgramPaths } from '../engines/engine-environment.ts';
import type { LlamaEngines } from '../engines/llama-engines.ts';
import type { PlanProcess } from '../executors/process-order.ts';
import { scratchVariable } from '../executors/stray-processes.ts';
import { instanceCommand } from './instance-command.ts';
import { apiKeyFile, removeSocket, socketPathOf, writeInstance } from './instance-home.ts';
import type { InstanceFacts } from './local-instances.ts';

export interface InstancePlanOptions {
  /** `$GRID_HOME`, by its own name. */
  readonly home: string;
  readonly files: Files;
  readonly engines: LlamaEngines;
  readonly paths: ProgramPaths;
  readonly random: Random;
  /** Its key is written; it is started next. */
  readonly onPlanned: (key: string, facts: InstanceFacts, apiKey: string) => void;
}

export function planInstance(options: InstancePlanOptions): PlanProcess {
  const { home, files, engines, paths, random, onPlanned } = options;
  return (order, scratch) => {
    const read = readBody(instanceBodySchema, order.body);
    if (!read.ok) return read;
    const { fence, devices, envelope } = order;
    const body = read.value;
    const uuids = devicesOf(body);
    const foreign = uuids.find((device) => !devices.some(({ uuid }) => uuid === device));
    if (foreign !== undefined)
      return refused(failure('rejected.invalid', `it is to compute on ${foreign}, which it was not given`));
    const prepare = async (giving: Parameters<Files['give']>[2]) => {
      const [given, chosen] = await Promise.all([
        files.give(fence, { inputs: body.inputs }, giving),
        engines.choose(uuids),
      ]);
      if (!given.ok) return given;
      if ('code' in chosen) return refused(chosen);
      const modelPath = modelIn(given.value[0], body);
      if (typeof modelPath !== 'string') return refused(modelPath);
      const socketPath = socketPathOf(home, fence);
      await removeSocket(socketPath);
      const { model, use, serving } = body;
      const facts = { model, use, onHost: body.device === undefined, slots: serving.slots };
      onPlanned(keyOf(fence), facts, await writeInstance(scratch, facts, random));
      const places = { modelPath, socketPath, apiKeyFile: apiKeyFile(scratch) };
      const start = {
        kind: 'start',
        key: keyOf(fence),
        facts: JSON.stringify(order.facts),
        command: instanceCommand(chosen, body, places, envelope.resources.cpuMilli),
        env: {
          ...engineEnvironment(paths, scratch, uuids),
          [scratchVariable]: scratch,
        },
        cwd: scratch,
        // What it maps of the model's file is no memory of its own, so a limit would say nothing of what was estimated.
        memoryBytes: 0,
      } as const;
      return { ok: true, value: start } as const;
    };
    return { ok: true, value: prepare };
  };
}

/** In the order in which its layers go on them. */
function devicesOf({ device, divided }: InstanceBody): readonly DeviceUuid[] {
  if (divided !== undefined) return divided.map((part) => part.device);
  return device === undefined ? [] : [device];
}

/** The file that the server opens; it finds the other parts of a model beside it. */
function modelIn(given: Given | undefined, { file, model }: InstanceBody): string | Failure {
  const isThere = given?.manifest.entries.some(({ kind, path }) => kind === 'file' && path === file);
  if (given !== undefined && isThere) return file === '' ? given.path : join(given.path, file);
  const words =
    file === '' ? 'it is a folder, and which file in it is the model was not said' : `it has no ${file}`;
  return failure('execution.input', `the artifact of ${model} cannot be loaded: ${words}`);
}

function refused(why: Failure) {
  return { ok: false, failure: why } as const;
}
