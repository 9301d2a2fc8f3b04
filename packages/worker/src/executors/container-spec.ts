/**
 * A container task as the engine is told it.
 *
 * 1. Closed by default: no network, read-only root, no capabilities, no way to gain privileges, the engine's seccomp
 *    profile, bounded processes, memory without swap, a bounded log.
 * 2. It sees the devices it was given and no others, and of the machine's folders those it was granted and nothing that
 *    is mounted below them.
 */
import { type ContainerBody, outputFolders, placesOf } from '@gryphgen/protocol';
import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import type { Given } from '../artifacts/attempt-files.ts';
import type { StartOrder } from '../core/effects.ts';
import type { Grant, ImageFacts } from '../policy/container-policy.ts';
import { healthcheck } from '../services/engine-health.ts';
import { publishing } from '../services/published-ports.ts';
import { writeService } from '../services/service-label.ts';
import { containerNameOf, type Owner, writeLabels } from './container-labels.ts';
import type { Engine } from './engine-facts.ts';

/** Docker refuses less: 6 MiB of memory, a hundredth of a CPU. */
const leastMemoryBytes = 6 * 1024 * 1024;
const leastCpuMilli = 10;
/** Of a second: in each the container may run for as much of it as it may have of a CPU. */
const cpuPeriodMicros = 100_000;

export interface SpecFacts {
  readonly owner: Owner;
  readonly engine: Engine;
  readonly image: ImageFacts;
  readonly logBytes: number;
  /** Its inputs. */
  readonly given: readonly Given[];
}

export function containerSpec(
  order: StartOrder,
  body: ContainerBody,
  { user, runtime, mounts }: Grant,
  { owner, engine, image, logBytes, given }: SpecFacts,
): ContainerCreateOptions {
  const { command, env, workdir, network, pids, ulimits = {}, readOnlyRoot = true } = body;
  const { cpuMilli, memoryBytes } = order.envelope.resources;
  const memory = memoryBytes === 0 ? 0 : Math.max(memoryBytes, leastMemoryBytes);
  const cpus = Math.min(Math.max(cpuMilli, leastCpuMilli) / 1000, engine.cpus);
  const volumes = [...diskScratchOf(body), ...outputFolders(body.outputs ?? [])];
  const { ExposedPorts, PortBindings } = publishing(body);
  return {
    name: containerNameOf(owner, order.fence),
    // What was looked at, and not what may bear its name by now.
    Image: image.id,
    ...(command.length > 0 ? { Cmd: command } : {}),
    Env: Object.entries({ ...env, ...identityOf(order) }).map(([name, value]) => `${name}=${value}`),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    ...(user === undefined ? {} : { User: user }),
    StopSignal: body.stopSignal ?? (image.stopSignal || 'SIGTERM'),
    Labels: { ...writeLabels(owner, order.fence, order.facts), ...writeService(body) },
    ...healthcheck(body),
    ExposedPorts,
    NetworkDisabled: network === 'none',
    HostConfig: {
      NetworkMode: network,
      PortBindings,
      Runtime: runtime,
      ReadonlyRootfs: readOnlyRoot,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: pids,
      // Not NanoCpus, which the engine cannot take off what runs (container-stop.ts).
      ...(cpuMilli === 0 ? {} : { CpuPeriod: cpuPeriodMicros, CpuQuota: Math.round(cpus * cpuPeriodMicros) }),
      Memory: memory,
      MemorySwap: memory,
      Init: engine.init,
      Tmpfs: tmpfsOf(body),
      Mounts: [
        ...[...mounts, ...given.map((input) => ({ ...input, readOnly: true }))].map(
          ({ path, to, readOnly }): MountSettings => ({
            Type: 'bind',
            Source: path,
            Target: to,
            ReadOnly: readOnly,
            // A mount below would come writable with one that is read-only.
            BindOptions: { Propagation: 'rprivate', NonRecursive: true } as MountSettings['BindOptions'],
          }),
        ),
        // Volumes without a name: removed with their container.
        ...volumes.map((Target): MountSettings => ({ Type: 'volume', Target, Source: '' })),
      ],
      Ulimits: Object.entries(ulimits).map(([Name, { soft, hard }]) => ({ Name, Soft: soft, Hard: hard })),
      // Unlike json-file, `local` keeps bytes that are no text.
      LogConfig: { Type: 'local', Config: { 'max-size': String(logBytes), 'max-file': '2' } },
      ...deviceRequests(order),
    },
  };
}

/** Where the task has scratch space on disk. */
function diskScratchOf({ scratch }: ContainerBody): readonly string[] {
  return scratch?.medium === 'disk' ? [scratch.to] : [];
}

/** Size 0 would mean half the host's memory. `exec`: what is built in scratch space may be run. */
function tmpfsOf(body: ContainerBody): Record<string, string> {
  const options = (bytes: number) => `rw,exec,nosuid,nodev,mode=1777,size=${bytes}`;
  const { scratch, tmpfsBytes } = body;
  const isTaken = placesOf(body).includes('/tmp');
  return {
    ...(tmpfsBytes === 0 || isTaken ? {} : { '/tmp': options(tmpfsBytes) }),
    ...(scratch?.medium === 'tmpfs' ? { [scratch.to]: options(scratch.sizeBytes) } : {}),
  };
}

/** What a task reads of itself. */
export function identityOf({ fence }: StartOrder): Record<string, string> {
  return { GRID_TASK: `t${fence.task}`, GRID_ATTEMPT: String(fence.attempt) };
}

function deviceRequests({ devices }: StartOrder) {
  if (devices.length === 0) return {};
  const uuids = devices.map(({ uuid }) => uuid as string);
  return { DeviceRequests: [{ Driver: 'nvidia', DeviceIDs: uuids, Capabilities: [['gpu']] }] };
}
