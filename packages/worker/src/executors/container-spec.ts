/**
 * A container task as the engine is told it.
 *
 * 1. Closed by default: no network, read-only root, no capabilities, no way to gain privileges, bounded processes,
 *    memory without swap, a bounded log.
 * 2. It sees the devices it was given and no others.
 */
import { containerBodySchema, decodeBody, type Failure, failure, type Read } from '@gryphgen/protocol';
import type { ContainerCreateOptions } from 'dockerode';
import type { StartOrder } from '../core/effects.ts';
import { containerNameOf, type Owner, writeLabels } from './container-labels.ts';

/** Docker refuses less: 6 MiB of memory, a hundredth of a CPU. */
const leastMemoryBytes = 6 * 1024 * 1024;
const leastNanoCpus = 10_000_000;

export interface EngineLimits {
  /** docker-init is there to forward signals and reap what the task leaves. */
  readonly init: boolean;
  /** CPUs the engine has: it refuses a limit above. */
  readonly cpus: number;
  readonly logBytes: number;
}

export function containerSpec(
  order: StartOrder,
  owner: Owner,
  { init, cpus, logBytes }: EngineLimits,
): Read<ContainerCreateOptions> {
  const decoded = decodeBody(order.body);
  if (!decoded.ok) return decoded;
  const parsed = containerBodySchema.safeParse(decoded.value);
  if (!parsed.success) return { ok: false, failure: invalid(parsed.error.issues[0]) };
  const { image, command, env, workdir, user, pids, tmpfsBytes } = parsed.data;
  const { cpuMilli, memoryBytes } = order.envelope.resources;
  const memory = memoryBytes === 0 ? 0 : Math.max(memoryBytes, leastMemoryBytes);
  const nanoCpus = Math.min(Math.max(cpuMilli * 1_000_000, leastNanoCpus), cpus * 1e9);
  return {
    ok: true,
    value: {
      name: containerNameOf(owner, order.fence),
      Image: image,
      ...(command.length > 0 ? { Cmd: command } : {}),
      Env: Object.entries({ ...env, ...identityOf(order) }).map(([name, value]) => `${name}=${value}`),
      ...(workdir === undefined ? {} : { WorkingDir: workdir }),
      ...(user === undefined ? {} : { User: user }),
      Labels: writeLabels(owner, order.fence, order.facts),
      NetworkDisabled: true,
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: pids,
        NanoCpus: cpuMilli === 0 ? 0 : nanoCpus,
        Memory: memory,
        MemorySwap: memory,
        Init: init,
        // Size 0 would mean half the host's memory. `exec`: what is built in scratch space may be run.
        Tmpfs: tmpfsBytes === 0 ? {} : { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${tmpfsBytes}` },
        // Unlike json-file, `local` keeps bytes that are no text.
        LogConfig: { Type: 'local', Config: { 'max-size': String(logBytes), 'max-file': '2' } },
        ...deviceRequests(order),
      },
    },
  };
}

function identityOf({ fence }: StartOrder): Record<string, string> {
  return { GRID_TASK: `t${fence.task}`, GRID_ATTEMPT: String(fence.attempt) };
}

function deviceRequests({ devices }: StartOrder) {
  if (devices.length === 0) return {};
  const uuids = devices.map(({ uuid }) => uuid as string);
  return { DeviceRequests: [{ Driver: 'nvidia', DeviceIDs: uuids, Capabilities: [['gpu']] }] };
}

function invalid(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): Failure {
  const where = ['body', ...(issue?.path ?? [])].map(String).join('.');
  return failure('rejected.invalid', `${where}: ${issue?.message ?? 'is not valid'}`);
}
