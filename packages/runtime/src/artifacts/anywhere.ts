/**
 * An artifact from whoever has it, or to the store beside the broker: places are tried in turn, workers that have it before
 * the broker's store, and all of them again, with another grant, while what keeps it from coming may pass.
 *
 * 1. Who sends something else than was named is left for the next place; what was right of it is not asked for again.
 * 2. `maxTries` rounds in a row after which no less is missing end it: bytes that moved count when a chunk came of them.
 * 3. What one place has not, or has wrong, is not the last word where the link to another broke, or where somebody who
 *    has it is not connected.
 * 4. Who was no use comes last for a while, behind the broker's store: one that cannot be reached from here (a NAT) costs
 *    its waiting once and not for each artifact.
 */

import type { ArtifactGrantDocument, Failure } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import type { Alarms, Clock } from '../clock.ts';
import type { Place } from '../data-connection.ts';
import { pause } from '../pause.ts';
import { placesBeside } from '../places-beside.ts';
import type { Scanned } from './scan-path.ts';
import type { ArtifactStore } from './store.ts';
import { fetchArtifact, storeArtifact } from './transfer.ts';
import { UselessPlaces } from './useless-places.ts';

const maxTries = 5;
const retryMs = 1000;

export interface AnywhereOptions {
  /** A new grant, or why there is none. */
  readonly ask: () => Promise<ArtifactGrantDocument | Failure>;
  /** By which this process talks to its broker now. */
  readonly brokerEndpoint: () => string;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly signal?: AbortSignal;
  readonly onMoved?: (bytes: number, of: number) => void;
  /** Who was no use; absent: known in this transfer alone. */
  readonly useless?: UselessPlaces;
  /** A place that was no use, and why. */
  readonly onPassedOver?: (endpoint: string, why: Failure) => void;
}

/** Null when all of it is in the store. */
export function fetchAnywhere(
  artifact: string,
  store: ArtifactStore,
  options: AnywhereOptions,
): Promise<Failure | null> {
  return inTurn(
    options,
    (transfer) => fetchArtifact(artifact, store, { ...transfer, clock: options.clock }),
    true,
  );
}

/** Null when all of it is beside the broker. */
export function storeBesideBroker(scanned: Scanned, options: AnywhereOptions): Promise<Failure | null> {
  return inTurn(options, (transfer) => storeArtifact(scanned, transfer), false);
}

type Transfer = Parameters<typeof storeArtifact>[1];

async function inTurn(
  options: AnywhereOptions,
  move: (transfer: Transfer) => Promise<Failure | null>,
  fromWorkers: boolean,
): Promise<Failure | null> {
  const { ask, brokerEndpoint, clock, alarms, signal, onMoved, onPassedOver } = options;
  const { useless = new UselessPlaces(clock) } = options;
  let why: Failure = failure('lost.link', 'the artifact is nowhere to be had now');
  let broken: Failure | undefined;
  /** The fewest bytes there were to move in any try. */
  let missing: number | undefined;
  for (let tries = 0; tries < maxTries && !signal?.aborted; tries += 1) {
    const found = await ask();
    if ('code' in found) return found;
    const { grant, workers, away = [], relayed = [] } = found;
    const beside = placesBeside(found.broker, brokerEndpoint());
    const behind = relayed.flatMap((worker) => beside.map((place) => ({ ...place, relayed: worker })));
    const places = fromWorkers ? useless.last<Place>([...workers, ...beside, ...behind]) : beside;
    for (const place of places) {
      const transfer: Transfer = {
        ...place,
        grant,
        alarms,
        ...(signal && { signal }),
        onMoved: (bytes, of) => {
          if (of < (missing ?? of)) tries = 0;
          missing = Math.min(of, missing ?? of);
          onMoved?.(bytes, of);
        },
      };
      const outcome = await move(transfer);
      if (outcome === null) return null;
      if (signal?.aborted) return outcome;
      onPassedOver?.(place.endpoint, outcome);
      if (outcome.code !== 'rejected.not-found') useless.note(place);
      if (outcome.code === 'lost.link') broken = outcome;
      why = (fromWorkers && isOfPlace(outcome) && broken) || outcome;
    }
    if (isOfPlace(why) && away.length > 0) return notConnected(away);
    if (places.length > 0 && why.code !== 'lost.link') return why;
    await pause(alarms, retryMs, signal);
  }
  return why;
}

function notConnected(away: readonly string[]): Failure {
  const words = `${away.join(' and ')}, which ${away.length > 1 ? 'have' : 'has'} it, cannot be asked: not connected now`;
  return failure('lost.worker', words);
}

function isOfPlace({ code }: Failure): boolean {
  return code === 'rejected.not-found' || code === 'rejected.invalid';
}
