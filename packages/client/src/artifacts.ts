/** Files to the grid and from it: the broker says where, and permits it; bytes go to its store, or come from who has them. */
import type { ArtifactGrantDocument, ArtifactRef, Failure, RequestArgs, TaskId } from '@gryphgen/protocol';
import { GridError } from '@gryphgen/protocol';
import {
  type ArtifactStore,
  fetchAnywhere,
  type Scanned,
  storeBesideBroker,
  systemAlarms,
  systemClock,
} from '@gryphgen/runtime';

export interface TransferOptions {
  /** What came before the signal is not sent again by the next try. */
  readonly signal?: AbortSignal;
  /** Bytes moved, of those that have to be. */
  readonly onMoved?: (bytes: number, of: number) => void;
}

/** As `Client` has it. */
export interface ArtifactAsker {
  /** By which it talks to the broker now. */
  readonly brokerEndpoint: string;
  request(op: 'fetch', args: RequestArgs<'fetch'>): Promise<ArtifactGrantDocument>;
  request(op: 'store', args: RequestArgs<'store'>): Promise<ArtifactGrantDocument>;
}

/**
 * Brings what `scanPath` found on this machine, to submit tasks with it: only what the grid has not. Resolves when the
 * broker's store has it. Throws GridError: refused, no room, changed while
 * it was read, `lost.*`.
 */
export async function bringArtifact(
  asker: ArtifactAsker,
  scanned: Scanned,
  options: TransferOptions = {},
): Promise<ArtifactRef> {
  const { digest, bytes } = scanned.manifest;
  const ask = () => granted(asker.request('store', { artifact: digest }));
  const why = await storeBesideBroker(scanned, { ...moving(asker, options), ask });
  if (why !== null) throw new GridError(why);
  return { digest, bytes };
}

/** Resolves when all of what a task left, or was given, is in `store`. Throws GridError when it is nowhere to be had. */
export async function fetchArtifactOf(
  asker: ArtifactAsker,
  task: TaskId,
  artifact: string,
  store: ArtifactStore,
  options: TransferOptions = {},
): Promise<void> {
  const ask = () => granted(asker.request('fetch', { task, artifact }));
  const why = await fetchAnywhere(artifact, store, { ...moving(asker, options), ask });
  if (why !== null) throw new GridError(why);
}

function moving(asker: ArtifactAsker, { signal, onMoved }: TransferOptions) {
  return {
    clock: systemClock,
    alarms: systemAlarms,
    brokerEndpoint: () => asker.brokerEndpoint,
    ...(signal && { signal }),
    ...(onMoved && { onMoved }),
  };
}

async function granted(asking: Promise<ArtifactGrantDocument>): Promise<ArtifactGrantDocument | Failure> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof GridError) return error.failure;
    throw error;
  }
}
