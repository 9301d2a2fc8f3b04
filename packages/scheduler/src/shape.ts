/**
 * The parts of an envelope that placement reads. Waiting tasks are kept by shape, so that a freed device wakes shapes
 * and not a million tasks.
 *
 * 1. Placement reads nothing else of a task: equal keys mean equal decisions.
 */
import {
  asksModel,
  cutReference,
  type Envelope,
  type GpuRequest,
  type Needs,
  type WorkerId,
} from '@gryphgen/protocol';
import { shardKey } from './owning.ts';

export type Shape = Pick<Envelope, 'kind' | 'resources' | 'constraints' | 'image' | 'needs' | 'taskClass'> &
  Partial<Pick<Envelope, 'timeoutMs' | 'restart' | 'model' | 'shard'>> & {
    /** Of one that is to be placed now. */
    readonly shut?: readonly Shut[];
  };

/** A worker on which it is not to begin: it is expected to run into a drain that is planned there. */
export interface Shut {
  readonly worker: WorkerId;
  /** Wall ms of the drain's begin. */
  readonly at: number;
  readonly lengthMs: number;
}

/** Equal exactly when placement cannot tell the two apart. Costs some microseconds: cache it by envelope. */
export function shapeKey(shape: Shape): string {
  const { kind, resources, constraints, image, needs, model, shard } = normalized(shape);
  const { cpuMilli, memoryBytes, diskBytes, gpu } = resources;
  const labels = Object.entries(constraints.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    kind,
    [cpuMilli, memoryBytes, diskBytes, gpu === undefined ? null : gpuKey(gpu)],
    [constraints.worker ?? null, labels],
    image ?? null,
    needs === undefined ? null : needsKey(needs),
    shape.taskClass ?? null,
    ...lengthKey(shape),
    ...(model === undefined ? [] : [{ model }]),
    ...(shard === undefined ? [] : [{ shard: shardKey(shard) }]),
  ]);
}

/** How long it may run decides where it may begin before a drain that is planned. */
function lengthKey({ timeoutMs = 0, restart, shut }: Shape): readonly unknown[] {
  const bound = restart === undefined ? timeoutMs : 'service';
  if (shut !== undefined) return [bound, shut.map(({ worker }) => worker).sort()];
  return bound === 0 ? [] : [bound];
}

/** The same request with its names as they are compared, without its class, of which only what was learned tells: done once for a placement, not once for each worker. */
export function normalized({ kind, resources, constraints, image, needs, model, shard, shut }: Shape): Shape {
  const { gpu } = resources;
  return {
    kind,
    resources:
      gpu?.name === undefined ? resources : { ...resources, gpu: { ...gpu, name: gpu.name.toLowerCase() } },
    constraints,
    ...(image === undefined ? {} : { image: imageReference(image) }),
    ...(needs === undefined ? {} : { needs }),
    // Of an instance it says nothing of where that may be.
    ...(model === undefined || !asksModel(kind) ? {} : { model }),
    ...(shard === undefined ? {} : { shard }),
    ...(shut === undefined ? {} : { shut }),
  };
}

/** As a worker reports it: `busybox` is `busybox:latest`, and beside a digest a tag says nothing. */
function imageReference(image: string): string {
  const { name, tag, digest } = cutReference(image);
  return digest === '' ? `${name}:${tag || 'latest'}` : `${name}@${digest}`;
}

function gpuKey(gpu: GpuRequest): readonly unknown[] {
  if (gpu.kind === 'parts') return [gpu.kind, gpu.parts.map(({ uuid, vramBytes }) => [uuid, vramBytes])];
  const amount = gpu.kind === 'whole' ? gpu.count : gpu.vramBytes;
  return [gpu.kind, amount, gpu.minComputeCapability ?? null, gpu.name ?? null, gpu.uuid ?? null];
}

function needsKey({ fields, mounts = [], network, runtime, root, ports }: Needs): readonly unknown[] {
  const places = mounts.map(({ name, write }) => [name, write]);
  return [fields, places, network ?? null, runtime ?? null, root ?? null, ports ?? null];
}
