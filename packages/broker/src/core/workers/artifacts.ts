/**
 * Permission for one artifact: to bring it to the store beside the broker, or to have it from there or from a worker that
 * has it. Which artifacts a task is given stands in its envelope, which it left in its outcome; of their bytes, and of
 * which are in the store now, the core knows nothing.
 */
import {
  type DataPlaceDocument,
  type Failure,
  failure,
  type RequestArgs,
  type TaskDocument,
  type WorkerId,
} from '@gryphgen/protocol';
import { type Context, refuse } from '../context.ts';
import { taskDocument } from '../documents.ts';
import { mayWith } from '../principals/roles.ts';
import type { BrokerState, Session, Task } from '../state.ts';

export function onFetch(context: Context, session: Session, id: number, task: Task, artifact: string): void {
  const document = taskDocument(context.state, task);
  if (!names(document, artifact)) {
    refuse(context, session.id, id, notOf(document.id, artifact));
    return;
  }
  const places = placesOf(context.state, artifact, document, session.worker);
  const gated = !context.state.journalStalled;
  context.effects.push({
    kind: 'artifact',
    op: 'fetch',
    session: session.id,
    request: id,
    artifact,
    ...places,
    gated,
  });
}

export function onStore(
  context: Context,
  session: Session,
  id: number,
  { artifact, task }: RequestArgs<'store'>,
): void {
  const { state } = context;
  const leaves = task === undefined ? undefined : state.tasks.get(task);
  if (session.worker !== null && (leaves === undefined || !mayWith(session, 'store', leaves))) {
    state.counters.forbidden += 1;
    const words = `role ${session.role} may not bring what no task of its own has left`;
    refuse(context, session.id, id, failure('rejected.forbidden', words));
    return;
  }
  const gated = !state.journalStalled;
  context.effects.push({
    kind: 'artifact',
    op: 'store',
    session: session.id,
    request: id,
    artifact,
    ...(session.worker !== null && leaves !== undefined && { owner: leaves.principal }),
    ...{ workers: [], away: [], connected: [] },
    gated,
  });
}

/** Whether the task is given the artifact, or has left it. */
export function names({ envelope, outputs = [] }: TaskDocument, artifact: string): boolean {
  return [...(envelope.inputs ?? []), ...outputs].some(({ digest }) => digest === artifact);
}

export function notOf(task: string, artifact: string): Failure {
  return failure('rejected.not-found', `${task} is not given ${artifact}, and has not left it`);
}

/** Of those that have it, or most likely do: who can be asked now, and the names of those that cannot. */
export interface ArtifactPlaces {
  readonly workers: readonly DataPlaceDocument[];
  readonly away: readonly string[];
  /** All that are in session: they may be had through the relay (E35). */
  readonly connected: readonly WorkerId[];
}

/** Beside the asker, who would not ask if it had it. `document`: of the task in whose name it is asked for. */
export function placesOf(
  state: BrokerState,
  artifact: string,
  document: TaskDocument,
  asker: WorkerId | null,
): ArtifactPlaces {
  const [workers, away, connected]: [DataPlaceDocument[], string[], WorkerId[]] = [[], [], []];
  for (const id of new Set([...holdersOf(document), ...state.holders.of(artifact)])) {
    if (id === asker) continue;
    const place = placeOf(state, id);
    const name = state.workers.get(id)?.view.name;
    if (place !== undefined) connected.push(id);
    if (place !== undefined && place.endpoint !== '') workers.push(place);
    else if (name !== undefined) away.push(name);
  }
  return { workers, away, connected };
}

/** Who has what the task left, and most likely what it was given. */
function holdersOf({ worker, state }: TaskDocument): readonly WorkerId[] {
  return worker === '' || state === 'leased' || state === 'running' ? [] : [worker as WorkerId];
}

/** Where it can be asked now: `endpoint` '' where through the relay alone. */
export function placeOf(state: BrokerState, id: string): DataPlaceDocument | undefined {
  const worker = state.workers.get(id as WorkerId);
  const report = worker?.view.report;
  if (!worker || worker.session === null || !report) return undefined;
  return { endpoint: report.dataEndpoint, dataKey: report.dataKey };
}

/** Which of these live tasks are given, or instances of a model that is known. */
export function heldOf({ given, models }: BrokerState, artifacts: readonly string[]): ReadonlySet<string> {
  return new Set(artifacts.filter((digest) => given.has(digest) || models.needs(digest)));
}
