/** `grid worker` as a daemon: SYMAUG with this machine's clock, keys and log. Ready when it is in session. */
import { join } from 'node:path';
import { gridOf, KnownBroker, loadMembership } from '@gryphgen/client';
import { GridError, failure as protocolFailure } from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import {
  AuthorizedKeys,
  type Config,
  type Log,
  loadIdentity,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import {
  type ContainerPolicy,
  createWorker,
  defaultLogLimits,
  endProcesses,
  registryLogin,
} from '@gryphgen/worker';
import { artifactsAge, pressureSettings, warmLimits } from '../settings.ts';
import { type Daemon, failure } from './daemon-life.ts';
import { retrievalCalls } from './retrieval-calls.ts';

export interface WorkerChoices {
  readonly labels: Readonly<Record<string, string>>;
  readonly allowProcess: boolean;
  readonly allowNoop: boolean;
  /** Nothing but retrieval where false. */
  readonly allowContainers: boolean;
  /** Whether collections of passages are kept here. */
  readonly retrieval: boolean;
  /** Whether the machine is measured anew. */
  readonly calibrate?: boolean;
  readonly slots: number | undefined;
  readonly policy: ContainerPolicy;
  /** Where its logs are read, of this machine's addresses. */
  readonly dataEndpoints: readonly string[];
}

export function workerDaemon(settings: Config, choices: WorkerChoices, log: Log): Daemon {
  const { home, name, broker } = settings;
  const membership = loadMembership(home);
  const { failed, fail } = failure();
  const { slots, dataEndpoints, retrieval, ...rest } = choices;
  const { retrievalMemory } = settings;
  const memoryBytes = retrievalMemory === 'auto' ? undefined : retrievalMemory;
  const service = retrieval ? RetrievalService.open(join(home, 'retrieval'), memoryBytes) : undefined;
  // It is told when the worker asks for it, which is not yet.
  service?.catch(() => undefined);
  let onSession: () => void = () => undefined;
  const inSession = new Promise<void>((resolve) => {
    onSession = resolve;
  });
  const identity = loadIdentity(home, 'worker');
  const known = new KnownBroker({
    membership,
    home,
    endpoints: broker,
    curve: identity.curve,
    alarms: systemAlarms,
  });
  const config = {
    ...rest,
    grid: gridOf(membership),
    name,
    home,
    brokers: known.addresses,
    dataEndpoints,
    brokerKey: () => known.membership.brokerKey,
    images: {
      credentialsFile: settings.registryConfig,
      ...(settings.imagesBytes !== 'auto' && { budgetBytes: settings.imagesBytes }),
    },
    artifactsBytes: settings.artifactsBytes,
    ...artifactsAge(settings),
    // One that keeps collections and does nothing else loads no models.
    llamaServer: choices.allowContainers ? settings.llamaServer : '',
    pressures: pressureSettings(settings),
    warm: warmLimits(settings),
    logLimits: {
      ...defaultLogLimits,
      ...(settings.logsBytes !== 'auto' && { totalBytes: settings.logsBytes }),
      ...(settings.logsAge !== 'auto' && { maxAgeMs: settings.logsAge }),
    },
    ...(slots !== undefined && { slots }),
  };
  if (new AuthorizedKeys(home).isRevoked(identity.key)) {
    const words = `this machine was removed from the grid: delete ${home}/keys/worker.json to let it join as a new one`;
    throw new GridError(protocolFailure('rejected.forbidden', words));
  }
  const worker = createWorker(config, {
    identity,
    clock: systemClock,
    alarms: systemAlarms,
    random: systemRandom,
    log,
    ...(service && { calls: retrievalCalls(service) }),
    follower: known,
    onRefused: (why) => fail(new GridError(why)),
    onSession,
  });
  const start = async () => {
    await checkCredentials(settings.registryConfig);
    await worker.start();
    await inSession;
    return { name };
  };
  // Under a supervisor it ends with the grid of this machine, and its processes do; else it may only be starting anew.
  const isSupervised = process.send !== undefined;
  const stop = async () => {
    await worker.stop();
    await (await service?.catch(() => undefined))?.close();
    if (isSupervised) await endProcesses(home);
  };
  const words = {
    starting: `looks for its broker at ${broker.join(', ')}`,
    ready: `works for the grid as ${name}`,
  };
  return { words, failed, start, stop };
}

/** At the start, where the owner sees it: later it costs tasks. */
async function checkCredentials(path: string): Promise<void> {
  const found = await registryLogin(path, '');
  if (!found.ok) throw new GridError(protocolFailure('rejected.forbidden', `registryConfig: ${found.why}`));
}
