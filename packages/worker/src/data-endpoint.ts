/**
 * The data endpoint of a worker, and its place at the relay for those who cannot connect to it: whoever has the broker's grant reads an attempt's output there, runs a command beside
 * it, has an artifact of its attempts, takes the answers to its own questions, or brings an image.
 */
import { failure, type PrincipalId, type TransferOp, type WorkerReport } from '@gryphgen/protocol';
import {
  type AnswerChannels,
  type ArtifactStore,
  aborted,
  DataServer,
  type DataSource,
  fetchFrom,
  type LogRange,
  type OpenExec,
  type OpenPush,
  RelayLink,
  RelayNote,
  watchAge,
  workerIdOf,
} from '@gryphgen/runtime';
import type { BrokerQuestions } from './artifacts/broker-questions.ts';
import { ExecSessions } from './exec/exec-sessions.ts';
import type { ExecutorSet } from './executor-set.ts';
import type { LogStore } from './log-store.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';

/** Where it is, and by which key; empty when nowhere. */
export type Endpoint = Pick<WorkerReport, 'dataEndpoint' | 'dataKey' | 'transfers'>;

export interface DataEndpoint {
  readonly endpoint: Endpoint;
  /** Those whose grants are void from now on, all of them (E27). */
  readonly revoke: (principals: readonly PrincipalId[]) => void;
  /** Asks the broker for its place at the relay, from now on. */
  readonly beRelayed: () => void;
}

const offered = ['exec', 'fetch', 'answers'] as const;

/** What it offers beside logs, for the report. */
function transfersOf(push: OpenPush | null): readonly TransferOp[] {
  return push === null ? offered : [...offered, 'image'];
}

interface DataEndpointParts {
  readonly logs: LogStore;
  readonly executors: ExecutorSet;
  readonly store: ArtifactStore;
  /** Null: no images are taken. */
  readonly push: OpenPush | null;
  /** Where calls put what they answer. */
  readonly answers: AnswerChannels;
  /** Before, a log that goes on would look as if it had ended, and what runs as if it did not. */
  readonly adopted: Promise<void>;
  readonly questions: BrokerQuestions;
  /** ms */
  readonly brokerWall: () => number;
}

/**
 * Without endpoints of its own it is had through the relay alone. What its store keeps too long goes from then on. `undo`: takes
 * what ends it.
 */
export async function serveData(
  config: WorkerConfig,
  deps: WorkerDeps,
  { undo, ...parts }: DataEndpointParts & { readonly undo: (() => Promise<void>)[] },
): Promise<DataEndpoint> {
  undo.push(async () => parts.answers.close());
  if (config.artifactsAgeMs !== undefined) {
    const cancel = watchAge(parts.store, config.artifactsAgeMs, deps.alarms);
    undo.push(async () => cancel());
  }
  const data = createDataEndpoint(config, deps, parts);
  const { questions, push } = parts;
  const note = new RelayNote(config.home);
  const relay = new RelayLink({
    ...deps,
    transfers: data.transfers,
    ask: async (signal) => {
      const granted = await questions.ask('relay', {}, signal);
      if (!('code' in granted))
        await note.keep(granted.broker).catch((error: unknown) => {
          deps.log.warn({ error: String(error) }, 'where the relay is cannot be noted for grid doctor');
        });
      return granted;
    },
    brokerEndpoint: () => questions.brokerEndpoint,
  });
  // By it the askers are told that the endpoint stops.
  undo.push(() => relay.stop());
  undo.push(() => data.stop());
  const [dataEndpoint = ''] = await data.start();
  const dataKey = dataEndpoint === '' ? '' : deps.identity.curve.publicKey;
  return {
    endpoint: { dataEndpoint, dataKey, transfers: transfersOf(push) },
    revoke: (principals) => data.revoke(principals),
    beRelayed: () => relay.start(),
  };
}

function createDataEndpoint(
  { dataEndpoints: endpoints, grid, brokerKey }: WorkerConfig,
  { identity, clock, alarms, log }: WorkerDeps,
  { logs, executors, store, push, answers, adopted, brokerWall }: DataEndpointParts,
): DataServer {
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
  const transfers = {
    ...{ open, exec, fetch: fetchFrom(store), answers: answers.serve },
    ...(whenAdopted && { push: whenAdopted }),
  };
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
