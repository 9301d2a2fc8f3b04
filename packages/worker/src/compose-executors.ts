/** Which executors a worker has, and whether it takes images, by its configuration. */
import { join } from 'node:path';
import { type AnswerChannels, type OpenPush, workerIdOf } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import type { AttemptFiles } from './artifacts/attempt-files.ts';
import { HeldModels } from './calibration/held-models.ts';
import { ModelRates } from './calibration/model-rates.ts';
import type { Fence } from './core/fence.ts';
import { readEngineList } from './engines/engine-list.ts';
import { LlamaEngines, usualLlamaServer } from './engines/llama-engines.ts';
import { ExecutorSet } from './executor-set.ts';
import { CallExecutor } from './executors/call-executor.ts';
import { ContainerExecutor } from './executors/container-executor.ts';
import { ContainerNotes } from './executors/container-notes.ts';
import type { Executor, ExecutorEvents } from './executors/executor.ts';
import { NoopExecutor } from './executors/noop-executor.ts';
import { ProcessExecutor } from './executors/process-executor.ts';
import { defaultWarmLimits } from './executors/warm-pool.ts';
import { ImageStore } from './images/image-store.ts';
import type { DeviceLooks } from './instances/device-memory.ts';
import { inferCalls } from './instances/infer-calls.ts';
import { InstanceExecutor } from './instances/instance-executor.ts';
import { LocalInstances } from './instances/local-instances.ts';
import { defaultLogLimits, type LogStore } from './log-store.ts';
import { defaultPolicy } from './policy/container-policy.ts';
import { engineSockets } from './policy/engine-sockets.ts';
import { HostPolicy } from './policy/host-policy.ts';
import { findDevices } from './probe/nvidia-smi.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';

export interface ComposedEvents extends ExecutorEvents {
  /** The report is not true any more, about shards alone or whatever: resolves when the new one was told. */
  offersChanged(about?: 'shards'): Promise<void>;
  /** Who looks at the devices, from the start of the first attempt on. */
  readonly looks: () => DeviceLooks;
}

export interface Composed {
  readonly executors: ExecutorSet;
  /** Takes pushed images; null where the owner lets nobody. */
  readonly push: OpenPush | null;
  /** How fast models run here, for who measures this machine. */
  readonly rates: ModelRates;
}

/** Smaller models lie in a CPU's cache, and say nothing of others. */
const measuredModelBytes = 64 * 1024 * 1024;

export function composeExecutors(
  config: WorkerConfig,
  deps: WorkerDeps,
  docker: Docker,
  logs: LogStore,
  files: AttemptFiles,
  channels: AnswerChannels,
  events: ComposedEvents,
): Composed {
  const { clock, alarms, random, log, identity } = deps;
  const beginLog = ({ task, attempt }: Fence) => logs.begin(task, attempt);
  const owner = { grid: config.grid, worker: workerIdOf(identity.key) as string };
  const logBytes = (config.logLimits ?? defaultLogLimits).attemptBytes;
  const folder = join(config.home, 'worker');
  const notes = new ContainerNotes(join(folder, 'containers'), { alarms, log });
  const images = new ImageStore({ docker, clock, alarms, log, folder, settings: config.images ?? {} });
  const { policy: written = defaultPolicy } = config;
  const policy = new HostPolicy({
    policy: written,
    home: config.home,
    sockets: engineSockets(docker),
    log,
  });
  const containers = (): Executor =>
    new ContainerExecutor({
      docker,
      events,
      clock,
      alarms,
      log,
      beginLog,
      retellLog: ({ task, attempt }) => logs.retell(task, attempt),
      notes,
      images,
      files,
      owner,
      policy,
      logBytes,
      random,
      warmLimits: { ...defaultWarmLimits, ...config.warm },
    });
  const executors = config.allowContainers === false ? [] : [containers()];
  const resumeLog = ({ task, attempt }: Fence, held: { readonly from: number; readonly to: number }) =>
    logs.resume(task, attempt, held);
  const { home, llamaServer: programs = usualLlamaServer } = config;
  const keeper = deps.keeperFile === undefined ? {} : { keeperFile: deps.keeperFile };
  const { PATH: path = '/usr/bin:/bin', LD_LIBRARY_PATH: libraries = '' } = process.env;
  const shared = { events, log, alarms, beginLog, resumeLog, files, home, ...keeper };
  if (config.allowProcess) executors.push(new ProcessExecutor({ ...shared, path }));
  const paths = { path, libraries };
  const cards = async () => {
    const found = await findDevices(deps.nvidiaSmi);
    return found.ok ? found.reading.devices.map(({ device }) => device) : [];
  };
  const engines = new LlamaEngines({
    ...{ programs, added: () => readEngineList(home), paths, cards, clock, log },
  });
  const instances = new LocalInstances();
  const looks: DeviceLooks = {
    get seen() {
      return events.looks().seen;
    },
    look: () => events.looks().look(),
  };
  executors.push(new InstanceExecutor({ ...shared, clock, random, engines, paths, instances, looks }));
  const noteSilent = ({ task, attempt }: Fence) => logs.noteSilent(task, attempt);
  for (const call of [...(deps.calls ?? []), ...inferCalls({ engines, instances, channels, clock, alarms })])
    executors.push(
      new CallExecutor(call, {
        ...{ events, clock, alarms, log, files, beginLog, noteSilent },
        relabelled: () => events.offersChanged(),
        heldChanged: () => events.offersChanged('shards'),
      }),
    );
  if (config.allowNoop) executors.push(new NoopExecutor(alarms, events, noteSilent));
  const pushes = images.pushes({
    refuses: (name) => policy.refusesImage(name),
    changed: () => events.offersChanged(),
  });
  return {
    executors: new ExecutorSet(executors, events, { alarms, log, seesTheHost: deps.seesTheHost }),
    push: written.push ? pushes.open : null,
    rates: new ModelRates({ engines, models: new HeldModels(files.store, measuredModelBytes), paths, log }),
  };
}
