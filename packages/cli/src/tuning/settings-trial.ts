/**
 * One trial: a model loaded on one worker with some settings, asked a few rounds, unloaded (E39).
 *
 * 1. Whatever comes, the trial is removed before this ends, and its instance is waited for: the next one is to find its room.
 *    Where the broker cannot be told, it removes the trial of a client that is gone by itself.
 * 2. What is the settings' own fault is an outcome; what ends the measuring is thrown.
 */
import { randomBytes } from 'node:crypto';
import {
  type Client,
  type Inference,
  type Measured,
  measureRound,
  type RoundShape,
  roundQuestions,
} from '@gryphgen/client';
import {
  failure,
  familyOf,
  GridError,
  type ModelDocument,
  parseTaskId,
  type Serving,
} from '@gryphgen/protocol';
import { loadedModel } from '../models/loaded-model.ts';

/** Its file may have to be brought first. */
const loadMs = 10 * 60_000;
/** From its removal: it answers nobody then. */
const endMs = 30_000;
const trialNameChars = 40;

export interface TrialPlace {
  readonly client: Client;
  readonly inference: Inference;
  readonly model: ModelDocument;
  /** Its id. */
  readonly worker: string;
  readonly shape: RoundShape;
  /** That are counted: one goes before them, which finds nothing warm. */
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** What the trial is at. */
  readonly say: (words: string) => void;
}

export type PlacedMeasure = Measured & {
  /** Where it computed, none for the host; undefined where it did not come to that. */
  readonly devices?: readonly string[];
};

export async function measureSettings(place: TrialPlace, serving: Serving): Promise<PlacedMeasure> {
  const { client, model, worker, signal, say } = place;
  const name = `${model.name.slice(0, trialNameChars)}:trial-${randomBytes(4).toString('hex')}`;
  const { use, artifact, file, description } = model;
  const added = await client.request('addModel', {
    model: {
      ...{ name, use, artifact, file, description, serving, idleMs: loadMs },
      replicas: { min: 0, max: 1 },
      trial: { of: model.name, worker },
    },
  });
  const bound = AbortSignal.timeout(loadMs);
  const tasks = new Set<string>();
  try {
    // An older broker would keep it, and give it to whoever asks.
    if (added.trial === undefined) throw olderBroker();
    const loaded = await loadedModel(client, name, AbortSignal.any([signal, bound]), say);
    for (const { task } of loaded.instances) tasks.add(task);
    const rounds = await roundsOf(place, name);
    const devices = loaded.instances.find(({ state }) => state === 'ready')?.devices ?? [];
    return { kind: 'measured', rounds, devices };
  } catch (error) {
    if (signal.aborted) throw error;
    if (bound.aborted) return { kind: 'failed', why: 'it was not ready within ten minutes' };
    if (error instanceof GridError && isOwnFault(error)) return { kind: 'failed', why: error.message };
    throw error;
  } finally {
    await remove(client, name, tasks);
  }
}

async function roundsOf(
  place: TrialPlace,
  name: string,
): Promise<Extract<Measured, { kind: 'measured' }>['rounds']> {
  const { inference, shape, rounds, signal } = place;
  const ask = await roundQuestions(inference, name, shape, { signal });
  const found = [];
  for (let round = 0; round <= rounds; round++)
    found.push(await measureRound(ask, shape, round * shape.load));
  return found.slice(1);
}

function olderBroker(): GridError {
  return new GridError(
    failure('rejected.version', 'the broker is of a version that knows no trials: upgrade it first'),
  );
}

/** What a model's server or its worker says of it; not that the grid cannot be reached, or that this is not allowed. */
function isOwnFault({ failure: { code } }: GridError): boolean {
  return (
    familyOf(code) === 'execution' ||
    familyOf(code) === 'unplaceable' ||
    code === 'rejected.invalid' ||
    code === 'cancelled.broker' ||
    code === 'lost.worker' ||
    code === 'lost.link'
  );
}

async function remove(client: Client, name: string, tasks: ReadonlySet<string>): Promise<void> {
  try {
    await client.request('removeModel', { name });
    for (const written of tasks) await ended(client, written);
  } catch (error) {
    // Why there is nothing to measure with any more is told by who asks next.
    if (!(error instanceof GridError)) throw error;
  }
}

/** Or it ends later: the next one waits for room by itself. */
export async function ended(client: Pick<Client, 'watch'>, written: string): Promise<void> {
  const task = parseTaskId(written);
  if (task === undefined) return;
  const late = AbortSignal.timeout(endMs);
  try {
    await client.watch(task, { signal: late });
  } catch (error) {
    if (!late.aborted) throw error;
  }
}
