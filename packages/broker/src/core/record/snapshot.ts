/**
 * The decided part of the state as plain data, and back; and the folding of groups into it, which the journal does off
 * the broker's loop with exactly the code that replays (`apply`).
 */
import type {
  BlobHash,
  ClientId,
  Epoch,
  Failure,
  PrincipalId,
  PrincipalLimitTable,
  TaskId,
  Timers,
} from '@gryphgen/protocol';
import { defaultTimers, isEphemeral, limits, noPrincipalLimits } from '@gryphgen/protocol';
import {
  Demand,
  FinishPlanner,
  KeptRoom,
  LearnedForecast,
  Placer,
  PredictionErrors,
  Roster,
  type SavedErrors,
  type SavedEstimates,
  type SavedModelLessons,
  Shortlist,
} from '@gryphgen/scheduler';
import { CollectionBook, collectionSet } from '../collections/collection-book.ts';
import { Deadlines } from '../deadlines.ts';
import { IdRing } from '../id-ring.ts';
import { missingBytes, underwayOn } from '../learning.ts';
import { foreseenAnswers } from '../models/foreseen-answers.ts';
import { ModelBook, modelSet } from '../models/model-book.ts';
import { PlacementNotes } from '../placing/placement-notes.ts';
import { PolicyBook, type SavedPolicies } from '../placing/policy-book.ts';
import { PossibleShapes } from '../placing/possible-shapes.ts';
import { Refusals } from '../placing/refusals.ts';
import { WaitingQueue } from '../placing/waiting-queue.ts';
import { GridSize } from '../principals/grid-size.ts';
import { ofParties, PrincipalUse } from '../principals/principal-use.ts';
import type { BrokerState, Spec, Task } from '../state.ts';
import { ArtifactHolders } from '../workers/artifact-holders.ts';
import { wireOf } from '../workers/windows.ts';
import { WorkerNames } from '../workers/worker-names.ts';
import { apply } from './apply.ts';
import { unuseSpec, useSpec } from './apply-specs.ts';
import { decided } from './decisions.ts';
import { removedWorkers } from './removed-workers.ts';
import { type Saved, savedTask } from './saved-task.ts';

/** What is not in the journal, and holds for as long as the broker runs. */
export interface StateSettings {
  readonly timers?: Timers;
  readonly principalLimits?: PrincipalLimitTable;
}

export function emptyState(
  epoch: Epoch,
  { timers = defaultTimers, principalLimits = noPrincipalLimits }: StateSettings = {},
): BrokerState {
  const tasks = new Map<TaskId, Task>();
  const demand = new Demand();
  const policies = new PolicyBook();
  const learned = new LearnedForecast(
    (view) => underwayOn(state, view),
    policies,
    (inputs, worker) => missingBytes(state, inputs, worker),
    (question) => foreseenAnswers(state, question),
  );
  const roster = new Roster();
  const placer = new Placer(roster);
  const state: BrokerState = {
    epoch,
    timers,
    principalLimits,
    watch: 0,
    lastMono: 0,
    nextTask: 1,
    audited: null,
    tasks,
    ended: new Map(),
    endedOrder: new IdRing(limits.finishedTasks),
    specs: new Map(),
    keys: new Map(),
    clients: new Map(),
    workers: new Map(),
    names: new WorkerNames(),
    policies,
    models: new ModelBook(),
    collections: new CollectionBook(),
    removed: new Map(),
    shares: new Map(),
    use: new PrincipalUse(),
    given: new Map(),
    holders: new ArtifactHolders(),
    waiting: new WaitingQueue(),
    deadlines: new Deadlines(tasks),
    learned,
    errors: new PredictionErrors(),
    planner: new FinishPlanner(learned, demand, policies, new Shortlist(placer, learned, demand, policies)),
    roster,
    views: roster.views,
    sessions: new Map(),
    clientSessions: new Map(),
    away: new Map(),
    watchers: new Map(),
    submitRates: new Map(),
    ephemeralUse: new PrincipalUse(),
    partyUse: new PrincipalUse<string>(ofParties),
    size: new GridSize(),
    claims: [],
    claimsDue: 0,
    preemptDue: 0,
    preemptedFor: new Map(),
    upcoming: [],
    revoking: new Set(),
    nextEphemeral: 1,
    keySweep: null,
    notes: new PlacementNotes(),
    possible: new PossibleShapes(),
    demand,
    placer,
    room: new KeptRoom(roster),
    refusals: new Refusals(),
    choosing: false,
    wake: true,
    journalStalled: false,
    counters: {
      accepted: 0,
      duplicateSubmissions: 0,
      leased: 0,
      succeeded: 0,
      failed: 0,
      cancelled: 0,
      requeued: 0,
      fenced: 0,
      expired: 0,
      adopted: 0,
      forbidden: 0,
      leaseRepeats: 0,
      turnedAway: 0,
      namesTaken: 0,
    },
  };
  return state;
}

/**
 * A snapshot is the shortest list of decisions that makes the state, each with the epoch it counts as, plus what no
 * decision makes: so there is one reader for both, and no second format to keep in step.
 */
export interface Snapshot {
  readonly nextTask: number;
  /** Missing in what earlier versions wrote. */
  readonly audited?: readonly [seq: number, digest: string];
  readonly decisions: readonly Saved[];
  /** The envelopes the state keeps: later groups may name them. Others in `decisions` are only named by ended tasks. */
  readonly keptSpecs: readonly BlobHash[];
  /** Per task that was tried: attempts so far, execution failures, losses, the last failure, when it was requeued. */
  readonly tries: readonly (readonly [
    task: TaskId,
    attempt: number,
    failures: number,
    losses: number,
    lastFailure: Failure | null,
    /** Missing in what earlier versions wrote. */
    requeuedAt?: number,
    preemptions?: number,
  ])[];
  /** What each principal has had; missing in what earlier versions wrote. */
  readonly use?: readonly (readonly [principal: PrincipalId, average: number, at: number])[];
  /** These are missing in what earlier versions wrote. */
  readonly learned?: SavedEstimates;
  readonly fetches?: SavedEstimates;
  readonly modelLessons?: SavedModelLessons;
  readonly errors?: SavedErrors;
  readonly policies?: SavedPolicies;
  readonly keys: readonly (readonly [name: string, task: TaskId, spec: string, at: number])[];
  readonly windows: readonly (readonly [
    client: ClientId,
    floor: number,
    unused: 0,
    tasks: readonly (readonly [number, TaskId])[],
  ])[];
}

export function saveSnapshot(state: BrokerState): Snapshot {
  const { decisions, ...rest } = savedInTurn(state);
  return { ...rest, decisions: [...decisions] };
}

/** Its decisions are made one by one: of a million tasks all at once would be several times what the tasks take. */
export type SnapshotInTurn = Omit<Snapshot, 'decisions'> & { readonly decisions: Iterable<Saved> };

function* decisionsOf(state: BrokerState): Generator<Saved> {
  const { epoch } = state;
  // Also those that only ended tasks still name.
  const specs = new Map(state.specs);
  for (const { spec } of durableTasks(state)) specs.set(spec.hash, spec);
  for (const spec of specs.values())
    yield [epoch, [decided.envelope, spec.hash, spec.envelope, spec.shapeKey]];
  for (const { id, view, drained, deadline, windows } of state.workers.values()) {
    yield [epoch, [decided.workerNamed, id, view.name, 0]];
    if (drained) {
      const { at, ms } = deadline ?? { at: 0, ms: null };
      yield [epoch, [decided.drainOrdered, id, true, at, ms]];
    }
    if (windows.length > 0) yield [epoch, [decided.windowsSet, id, windows.map(wireOf), 0]];
  }
  for (const { spec, owner, addedAt, since, tunings } of state.models.known.values())
    yield [epoch, modelSet({ spec, owner, addedAt, since, tunings })];
  for (const collection of state.collections.known.values()) yield [epoch, collectionSet(collection)];
  // Removed workers come and go again, so that what they ran still names them.
  const removed = removedWorkers(state);
  for (const id of removed) yield [epoch, [decided.workerNamed, id, state.removed.get(id) ?? id, 0]];
  for (const task of durableTasks(state)) yield* savedTask(task, epoch);
  for (const id of removed) yield [epoch, [decided.workerRemoved, id, 0]];
}

function* durableTasks({ ended, tasks }: BrokerState): Generator<Task> {
  for (const of of [ended, tasks]) for (const task of of.values()) if (!isEphemeral(task.id)) yield task;
}

export function savedInTurn(state: BrokerState): SnapshotInTurn {
  const { audited } = state;
  const tries: Snapshot['tries'][number][] = [];
  for (const { id, attempt, failures, losses, lastFailure, requeuedAt, preemptions } of durableTasks(state))
    if (attempt > 0) tries.push([id, attempt, failures, losses, lastFailure, requeuedAt, preemptions]);
  return {
    nextTask: state.nextTask,
    ...(audited !== null && { audited: [audited.seq, audited.digest] as const }),
    decisions: decisionsOf(state),
    keptSpecs: [...state.specs.keys()],
    tries,
    use: state.use.save(),
    learned: state.learned.runs.save(),
    fetches: state.learned.fetches.save(),
    modelLessons: state.models.lessons.save(),
    errors: state.errors.save(),
    policies: state.policies.save(),
    keys: [...state.keys].map(([name, { task, spec, at }]) => [name, task, spec, at] as const),
    windows: [...state.clients].map(
      ([client, { floor, tasks }]) =>
        [client, floor, 0, [...tasks].filter(([, id]) => !isEphemeral(id))] as const,
    ),
  };
}

/** Rebuilds the decided state. A backoff under way when the snapshot was made is over. */
export function loadSnapshot(snapshot: Snapshot, epoch: Epoch, settings: StateSettings = {}): BrokerState {
  const state = emptyState(epoch, settings);
  for (const [decidedIn, decision] of snapshot.decisions) {
    apply(state, decidedIn, decision);
    // Held until all are applied: an ended task must not let go of what a later one in the list still names.
    if (decision[0] === decided.envelope) useSpec(state, state.specs.get(decision[1]) as Spec);
  }
  const kept = new Set(snapshot.keptSpecs);
  for (const [hash, spec] of state.specs) {
    unuseSpec(state, spec);
    if (!kept.has(hash)) state.specs.delete(hash);
  }
  state.clients.clear();
  state.away.clear();
  state.nextTask = snapshot.nextTask;
  const [seq, digest] = snapshot.audited ?? [];
  if (seq !== undefined && digest !== undefined) state.audited = { seq, digest };
  for (const [id, attempt, failures, losses, lastFailure, ...later] of snapshot.tries) {
    const [requeuedAt = 0, preemptions = 0] = later;
    const task = state.tasks.get(id) ?? state.ended.get(id);
    const tried = { attempt, failures, losses, lastFailure, requeuedAt, preemptions };
    if (task !== undefined) Object.assign(task, tried);
  }
  state.use.load(snapshot.use ?? []);
  // Without it, what the tasks that ended of late teach is all there is.
  if (snapshot.learned !== undefined) state.learned.runs.load(snapshot.learned);
  if (snapshot.fetches !== undefined) state.learned.fetches.load(snapshot.fetches);
  if (snapshot.modelLessons !== undefined) state.models.lessons.load(snapshot.modelLessons);
  if (snapshot.errors !== undefined) state.errors.load(snapshot.errors);
  if (snapshot.policies !== undefined) state.policies.load(snapshot.policies);
  for (const [name, task, spec, at] of snapshot.keys) state.keys.set(name, { task, spec, at });
  for (const [client, floor, , tasks] of snapshot.windows) {
    state.clients.set(client, { floor, tasks: new Map(tasks) });
    state.away.set(client, state.watch);
  }
  return state;
}
