/**
 * The data endpoint of a worker: whoever has the broker's grant reads an attempt's output there, runs a command beside
 * it, or brings an image.
 */
import { failure, type TransferOp } from '@gryphgen/protocol';
import {
  DataServer,
  type DataSource,
  type LogRange,
  type OpenExec,
  type OpenPush,
  workerIdOf,
} from '@gryphgen/runtime';
import { ExecSessions } from './exec/exec-sessions.ts';
import type { ExecutorSet } from './executor-set.ts';
import type { LogStore } from './log-store.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';

/** What it offers beside logs, for the report. */
export function transfersOf(push: OpenPush | null): readonly TransferOp[] {
  return push === null ? ['exec'] : ['exec', 'image'];
}

interface DataEndpointParts {
  readonly logs: LogStore;
  readonly executors: ExecutorSet;
  /** Null: no images are taken. */
  readonly push: OpenPush | null;
  /** Before, a log that goes on would look as if it had ended, and what runs as if it did not. */
  readonly adopted: Promise<void>;
  /** ms */
  readonly brokerWall: () => number;
}

/** Null where nothing is served. */
export function createDataEndpoint(
  { dataEndpoints: endpoints, grid, brokerKey }: WorkerConfig,
  { identity, clock, alarms, log }: WorkerDeps,
  { logs, executors, push, adopted, brokerWall }: DataEndpointParts,
): DataServer | null {
  if (endpoints.length === 0) return null;
  const open = async (range: LogRange, signal: AbortSignal): Promise<DataSource> => {
    await Promise.race([adopted, aborted(signal)]);
    return logs.has(range.task, range.attempt)
      ? logs.read({ ...range, signal })
      : failure(
          'rejected.not-found',
          `the output of t${range.task}.${range.attempt} is no longer kept on this worker`,
        );
  };
  const sessions = new ExecSessions((...args) => executors.enter(...args), log);
  const exec: OpenExec = async (request, signal) => {
    await Promise.race([adopted, aborted(signal)]);
    return sessions.open(request, signal);
  };
  // Before, its images are not looked at: none could be told of.
  const whenAdopted: OpenPush | undefined =
    push === null
      ? undefined
      : async (request, signal) => {
          await Promise.race([adopted, aborted(signal)]);
          return push(request, signal);
        };
  const { curve, key } = identity;
  const worker = workerIdOf(key);
  const transfers = { open, exec, ...(whenAdopted && { push: whenAdopted }) };
  return new DataServer({
    endpoints,
    curve,
    grid,
    worker,
    brokerKey,
    brokerWall,
    clock,
    alarms,
    ...transfers,
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
