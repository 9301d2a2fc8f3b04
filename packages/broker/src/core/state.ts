/**
 * What the broker knows. Data only: `apply.ts` changes what is journaled, the step files the rest.
 *
 * Two kinds of knowledge, kept apart: *decisions* (tasks, keys, submission windows, known workers) change only by
 * records, the same way when they are taken and when they are replayed; *observations* (sessions, reports, heartbeats)
 * start empty with each epoch.
 *
 * Time: `watch` is the broker's own clock of time in which it was watching (E13), in ms; all leases, backoffs and
 * waits are measured by it. Wall time is only for people and for the age of keys.
 */
import type {
  AttemptNo,
  AttemptReport,
  BlobHash,
  ClientId,
  Envelope,
  Epoch,
  Failure,
  Health,
  OutcomeState,
  PrincipalId,
  PrincipalLimitTable,
  PublishedPort,
  Reservation,
  Role,
  SessionId,
  TaskId,
  Timers,
  Usage,
  Use,
  WorkerId,
} from '@gryphgen/protocol';
import type {
  Demand,
  FinishPlanner,
  KeptRoom,
  LearnedForecast,
  Placer,
  PredictionErrors,
  Roster,
  WorkerDecision,
  WorkerView,
} from '@gryphgen/scheduler';
import type { Budget } from './budget.ts';
import type { CollectionBook } from './collections/collection-book.ts';
import type { Counters } from './counters.ts';
import type { Deadlines } from './deadlines.ts';
import type { IdRing } from './id-ring.ts';
import type { ModelBook } from './models/model-book.ts';
import type { Claim } from './placing/claims.ts';
import type { PlacementNotes } from './placing/placement-notes.ts';
import type { PolicyBook } from './placing/policy-book.ts';
import type { PossibleShapes } from './placing/possible-shapes.ts';
import type { Refusals } from './placing/refusals.ts';
import type { WaitingQueue } from './placing/waiting-queue.ts';
import type { GridSize } from './principals/grid-size.ts';
import type { PrincipalUse } from './principals/principal-use.ts';
import type { Share } from './principals/shares.ts';
import type { WireForetold } from './record/decisions.ts';
import type { ArtifactHolders } from './workers/artifact-holders.ts';
import type { Doubts } from './workers/doubts.ts';
import type { DrainDeadline, DrainWindow } from './workers/drain-window.ts';
import type { Upcoming } from './workers/windows.ts';
import type { WorkerNames } from './workers/worker-names.ts';

/** An envelope, interned or of one ephemeral task. `refs`: live tasks that use it. */
export interface Spec {
  readonly envelope: Envelope;
  readonly hash: BlobHash;
  readonly shapeKey: string;
  refs: number;
}

/** Why an attempt was placed where it is: what `grid explain` prints later, unchanged. */
export interface PlacementNote {
  decision: string;
  workers: readonly WorkerDecision[];
  /** The version of the policy that decided; missing where an earlier version of gryphgen did. */
  policy?: number;
}

export interface TaskLease {
  readonly worker: WorkerId;
  readonly epoch: Epoch;
  /** What the ledger holds for it. */
  reservation: Reservation;
  /** What was, before it was measured to take less; null: nothing else was. */
  planned: Reservation | null;
  readonly leasedAt: number;
  /** Millionths of the grid that it holds; 0 in what earlier versions wrote. */
  readonly part: number;
  /** Its attempt has ended and holds nothing any more; the outcome is not decided yet. An observation. */
  idle: boolean;
  /** It was told to end because its worker's drain is over time: it is told so until it has. An observation. */
  drained: boolean;
  /** It is to end to make room for this task, since then (wall ms); null: it is not. */
  preempted: { readonly by: TaskId; readonly at: number } | null;
  /** Number in the worker's present session; 0 when it has not been sent in it. */
  leaseSeq: number;
  /** Wall ms; 0 until the worker said so. */
  startedAt: number;
  /** Watch time since which it is known to run, in this epoch; null until then. An observation. */
  runsSince: number | null;
  /** What its worker told of it last. An observation. */
  served: { seq: number; readonly ports: readonly PublishedPort[]; readonly health: Health | null } | null;
  /** What its worker saw it use last; null when it saw nothing. An observation. */
  use: Use | null;
  note: PlacementNote | null;
  /** What was foretold of it; null where nothing was known. */
  readonly times: WireForetold | null;
  /** What was not there when it was placed, and may be on its way: its image, and so much of its inputs. Observations. */
  fetches: boolean;
  bringsBytes: number;
}

export interface TaskOutcome {
  readonly state: OutcomeState;
  readonly worker: WorkerId | '';
  readonly exitCode: number;
  readonly failure: Failure | null;
  /** Of its last lease; 0 of none. In what earlier versions wrote down, its start. */
  readonly leasedAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: Uint8Array;
  /** Null where nothing is known. */
  readonly usage: Usage | null;
  readonly reservation: Reservation | null;
  readonly note: PlacementNote | null;
  readonly times: WireForetold | null;
}

/** waiting: in the queue or in backoff · leased: placed, not known to run · running · ended. */
export type TaskPhase = 'waiting' | 'leased' | 'running' | 'ended';

export interface Task {
  readonly id: TaskId;
  readonly spec: Spec;
  readonly body: BlobHash;
  readonly principal: PrincipalId;
  /** Submitted in a session of an admin (E36). */
  readonly byAdmin: boolean;
  readonly client: ClientId;
  readonly submittedAt: number;
  readonly bodyBytes: number;
  /** Its place among all that were accepted: its id; of an ephemeral task, that of the last durable one before it. */
  readonly turn: number;
  phase: TaskPhase;
  attempt: AttemptNo;
  /** Attempts that ended in execution.*, and in lost.* that nobody ordered. */
  failures: number;
  losses: number;
  /** Attempts of it that were to end for others. */
  preemptions: number;
  cancelRequested: boolean;
  lease: TaskLease | null;
  outcome: TaskOutcome | null;
  lastFailure: Failure | null;
  /** Watch time before which it is not placed (backoff). */
  notBefore: number;
  /** Wall ms at which it was last to be tried again; 0: never. */
  requeuedAt: number;
}

/** One client's submissions: `tasks` by number, for those at or above `floor` (E5). */
export interface SubmissionWindow {
  floor: number;
  readonly tasks: Map<number, TaskId>;
}

/** What an idempotency key made (E6). */
export interface KeptKey {
  readonly task: TaskId;
  readonly spec: string;
  /** Wall ms. */
  readonly at: number;
}

export interface UnsettledLease {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly sentAt: number;
}

export interface Worker {
  readonly id: WorkerId;
  readonly view: WorkerView;
  session: SessionId | null;
  boot: string;
  /** Watch time of the last sign of life. */
  heardAt: number;
  heartbeatSeq: number;
  reportSeq: number;
  nextLeaseSeq: number;
  /** No number below it is unsettled. */
  leaseFloor: number;
  /** Leases of this session not yet settled, by number. */
  readonly unsettled: Map<number, UnsettledLease>;
  /** Tasks leased to it. */
  readonly tasks: Set<TaskId>;
  /** Fenced attempts it still runs (E14), by `epoch.task.attempt`. */
  readonly ghosts: Map<string, AttemptReport>;
  /** What it said in this session that cannot be. */
  readonly doubts: Doubts;
  /** Ordered to drain; the view says whether it does, by order or by plan. */
  drained: boolean;
  /** Of its drain by order, if that has one. */
  deadline: DrainDeadline | null;
  /** In the order of their begin. */
  windows: readonly DrainWindow[];
}

export interface Session {
  readonly id: SessionId;
  readonly principal: PrincipalId;
  readonly role: Role;
  readonly worker: WorkerId | null;
  readonly client: ClientId | null;
  /** Tasks it asked to be told of. */
  readonly watching: Set<TaskId>;
  /** Refused submissions at or above the client's floor: said again to a repeat, whatever has changed meanwhile (E5). */
  readonly refused: Map<number, Failure>;
  /** By worker: the newest order to drain, resume or remove it that was carried out, by its request's number (E17). */
  readonly orders: Map<WorkerId, number>;
  heartbeatSeq: number;
}

export interface BrokerState {
  readonly epoch: Epoch;
  readonly timers: Timers;
  /** As the operator has set them; the same for as long as this broker runs. */
  readonly principalLimits: PrincipalLimitTable;
  watch: number;
  lastMono: number;

  // decisions
  nextTask: number;
  /** The newest record of the audit log that the journal names. */
  audited: { readonly seq: number; readonly digest: string } | null;
  readonly tasks: Map<TaskId, Task>;
  /** Newest last; at most limits.finishedTasks. */
  readonly ended: Map<TaskId, Task>;
  readonly endedOrder: IdRing;
  readonly specs: Map<BlobHash, Spec>;
  /** By `principal key`, oldest first. */
  readonly keys: Map<string, KeptKey>;
  readonly clients: Map<ClientId, SubmissionWindow>;
  readonly workers: Map<WorkerId, Worker>;
  /** Derived: who of them has which name. */
  readonly names: WorkerNames;
  readonly policies: PolicyBook;
  /** Also, derived: which tasks have to do with each. */
  readonly models: ModelBook;
  readonly collections: CollectionBook;
  /** Workers that were removed, and what they were called; newest last, at most limits.removedWorkers. */
  readonly removed: Map<WorkerId, string>;

  // derived from decisions
  /** By principal, of those that have unfinished tasks. */
  readonly shares: Map<PrincipalId, Share>;
  /** Of durable tasks. */
  readonly use: PrincipalUse;
  /** By digest of an artifact: how many specs of live tasks give it to them. */
  readonly given: Map<string, number>;
  /** Also what was seen in this epoch. */
  readonly holders: ArtifactHolders;
  readonly waiting: WaitingQueue;
  /** Backoffs and queue timeouts, by watch time. */
  readonly deadlines: Deadlines;
  /** What runs take and need; of it, what is told of images and inputs is an observation, until it is written down. */
  readonly learned: LearnedForecast;
  /** How far off what was learned has been. */
  readonly errors: PredictionErrors;
  readonly roster: Roster;
  readonly views: Roster['views'];

  // observations
  readonly sessions: Map<SessionId, Session>;
  readonly clientSessions: Map<ClientId, SessionId>;
  /** Clients with a window and no session, since which watch time, longest first. After a restart that is all of them. */
  readonly away: Map<ClientId, number>;
  /** Sessions that watch a task beside its submitter. */
  readonly watchers: Map<TaskId, Set<SessionId>>;
  /** How fast each principal with such a limit has submitted. */
  readonly submitRates: Map<PrincipalId, Budget>;
  readonly ephemeralUse: PrincipalUse;
  /** Of those for whom principals ask, by `principal party`. */
  readonly partyUse: PrincipalUse<string>;
  readonly size: GridSize;
  /** Room that is kept, in the order of turns; looked at anew at `claimsDue` of the watch clock. */
  claims: readonly Claim[];
  claimsDue: number;
  /** Watch time before which nothing is ended for others; of a task: nothing more for it. */
  preemptDue: number;
  readonly preemptedFor: Map<TaskId, number>;
  /** The next planned drain of each worker that has one. */
  upcoming: readonly Upcoming[];
  /** Workers that are being removed: their keys are being taken off the list. */
  readonly revoking: Set<WorkerId>;
  nextEphemeral: number;
  /** Where the search for keys to forget goes on; null: at the oldest. */
  keySweep: Iterator<[string, KeptKey]> | null;
  readonly planner: FinishPlanner;
  readonly notes: PlacementNotes;
  readonly possible: PossibleShapes;
  /** What it is asked for, from the tasks accepted in this epoch and those that were left of earlier ones. */
  readonly demand: Demand;
  readonly placer: Placer;
  /** What asks for more fits on no worker now. */
  readonly room: KeptRoom;
  readonly refusals: Refusals;
  /** Tasks wait by choice: what they wait for is looked at again with each tick. */
  choosing: boolean;
  /** Something changed that may let a waiting task be placed. */
  wake: boolean;
  /** The journal cannot take anything now: durable submissions are refused meanwhile. */
  journalStalled: boolean;
  readonly counters: Counters;
}
