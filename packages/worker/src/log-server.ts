/** The data endpoint of a worker: whoever has the broker's grant reads an attempt's output there. */
import { failure } from '@gryphgen/protocol';
import { DataServer, type DataSource, type LogRange } from '@gryphgen/runtime';
import type { LogStore } from './log-store.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';

interface LogServerParts {
  readonly logs: LogStore;
  /** Before, a log that goes on would look as if it had ended. */
  readonly adopted: Promise<void>;
  /** ms */
  readonly brokerWall: () => number;
}

/** Null where logs are served nowhere. */
export function createLogServer(
  { dataEndpoints: endpoints, grid, brokerKey }: WorkerConfig,
  { identity, clock, alarms }: WorkerDeps,
  { logs, adopted, brokerWall }: LogServerParts,
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
  const { curve } = identity;
  return new DataServer({ endpoints, curve, grid, brokerKey, brokerWall, clock, alarms, open });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
