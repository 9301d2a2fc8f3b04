/**
 * The journal's records: what was decided, never why. Replay applies them and decides nothing. They are positional
 * arrays so that a group packs small and fast; `apply.ts` is the only reader, positions are only ever added at the end.
 */
import type {
  AttemptNo,
  BlobHash,
  ClientId,
  Envelope,
  FailureCode,
  ModelSpec,
  PlacementPolicy,
  PolicyEvidence,
  PrincipalId,
  Reservation,
  TaskId,
  Tuning,
  WireUsage,
  WorkerId,
} from '@gryphgen/protocol';
import { asksModel } from '@gryphgen/protocol';
import type { Taught, ToldSeat } from '@gryphgen/scheduler';

/** The kinds of decisions, as the journal numbers them: a number never changes its meaning, new ones come at the end. */
export const decided = {
  /** An envelope that later decisions name by its hash. */
  envelope: 0,
  accepted: 1,
  leased: 2,
  ended: 3,
  /** The attempt is over, and another is to follow. */
  requeued: 4,
  cancelRequested: 5,
  /** A worker is known from now on, or under another name, or with other places for attempts. */
  workerNamed: 6,
  /** To drain or to resume. */
  drainOrdered: 7,
  workerRemoved: 8,
  keysForgotten: 9,
  clientsForgotten: 10,
  /** The journal is that of a backup. What was decided after it is unknown; its numbers are not given again. */
  restored: 11,
  /** An attempt is to end to make room for another task. */
  preempted: 12,
  /** The drains that are planned for a worker, or have begun by plan, are these from now on. */
  windowsSet: 13,
  /** Another placement policy is in force from now on. */
  policyChanged: 14,
  /** A model is known from now on, or is to be served in another way. */
  modelSet: 15,
  modelRemoved: 16,
  /** A collection has these shards and owners from now on. */
  collectionSet: 17,
  collectionForgotten: 18,
  /** Of devices so much is held from now on for an instance that is loaded. */
  measured: 19,
} as const;

/** What follows the epoch is missing where nothing is to be told, and in what earlier versions wrote (E43). */
export type WireShard = readonly [
  owner: WorkerId | '',
  epoch: number,
  version?: number,
  base?: readonly [epoch: number, version: number] | null,
  lost?: number,
  copies?: readonly (readonly [worker: WorkerId, epoch: number, version: number])[],
];

/** From `at` (wall ms) on, for `ms` or until it is resumed; with a deadline, from its begin; whether it has begun. */
export type WireWindow = readonly [
  id: string,
  at: number,
  ms: number | null,
  deadlineMs: number | null,
  begun: boolean,
];

export type WireDevice = readonly [uuid: string, vramBytes: number, whole: boolean];

/**
 * A placement as it was decided, within a bound (journaled-note.ts). Of a worker that could take it: its total, then its
 * scores in the order of `terms`, in thousandths; of another: its reasons.
 */
export type WireNote = readonly [
  decision: string,
  terms: readonly string[],
  workers: readonly (readonly [worker: WorkerId, ...parts: (number | string)[]])[],
  /** The version of the policy that decided; missing in what earlier versions wrote. */
  policy?: number,
];

/**
 * Whole ms, as foretold when an attempt was placed: until what it needs is there, and of its run; of one that had waited by choice for
 * this worker also when it was to start, by the first word, and after how long it did.
 */
export type WireForetold = readonly [fetchMs: number, runMs: number, startMs?: number, waitedMs?: number];

export type Decision =
  | readonly [kind: typeof decided.envelope, hash: BlobHash, envelope: Envelope, shapeKey: string]
  | readonly [
      kind: typeof decided.accepted,
      task: TaskId,
      envelope: BlobHash,
      body: BlobHash,
      principal: PrincipalId,
      client: ClientId,
      seq: number,
      floor: number,
      key: string,
      at: number,
      /** Missing in what earlier versions wrote. */
      bodyBytes?: number,
      /** Submitted in a session of an admin (E36); missing where not, and in what earlier versions wrote. */
      byAdmin?: true,
    ]
  | readonly [
      kind: typeof decided.leased,
      task: TaskId,
      attempt: AttemptNo,
      worker: WorkerId,
      devices: readonly WireDevice[],
      at: number,
      /** Why there; missing of one placed in a burst, and in what earlier versions wrote. */
      why?: WireNote | undefined,
      /** Millionths of the grid, as it was then; missing in what earlier versions wrote. */
      part?: number | undefined,
      /** Host memory held for it; missing where that is what it asks for, and in what earlier versions wrote. */
      memoryBytes?: number | undefined,
      /** Missing where nothing was known, and in what earlier versions wrote. */
      foretold?: WireForetold | undefined,
    ]
  | readonly [
      kind: typeof decided.ended,
      task: TaskId,
      attempt: AttemptNo,
      state: 0 | 1 | 2,
      exitCode: number,
      code: FailureCode | '',
      message: string,
      startedAt: number,
      at: number,
      outcome: Uint8Array | null,
      /** Missing where nothing is known, and in what earlier versions wrote. */
      usage?: WireUsage,
    ]
  | readonly [
      kind: typeof decided.requeued,
      task: TaskId,
      attempt: AttemptNo,
      code: FailureCode,
      message: string,
      delayMs: number,
      at: number,
      /** It had run well: what failed before does not count any more. */
      afresh?: boolean,
      /** As of `ended`. */
      usage?: WireUsage,
    ]
  | readonly [kind: typeof decided.cancelRequested, task: TaskId, at: number]
  | readonly [
      kind: typeof decided.workerNamed,
      worker: WorkerId,
      name: string,
      at: number,
      /** What is new of its places; missing of none, and in what earlier versions wrote. */
      seats?: readonly ToldSeat[],
    ]
  | readonly [
      kind: typeof decided.drainOrdered,
      worker: WorkerId,
      draining: boolean,
      at: number,
      /** From `at`; null, or missing in what earlier versions wrote: what runs there may take its time. */
      deadlineMs?: number | null,
    ]
  | readonly [kind: typeof decided.workerRemoved, worker: WorkerId, at: number]
  | readonly [
      kind: typeof decided.keysForgotten,
      keys: readonly string[],
      at: number,
      /** The newest record of the audit log. It stands here, and not in a kind of its own, so that earlier versions read on. */
      audited?: readonly [seq: number, digest: string] | undefined,
      /** What ephemeral questions have taught, for the same reason here (untold-lessons.ts). */
      taught?: Taught,
    ]
  | readonly [kind: typeof decided.clientsForgotten, clients: readonly ClientId[], at: number]
  | readonly [kind: typeof decided.restored, nextTask: TaskId, at: number]
  | readonly [kind: typeof decided.preempted, task: TaskId, attempt: AttemptNo, by: TaskId, at: number]
  | readonly [kind: typeof decided.windowsSet, worker: WorkerId, windows: readonly WireWindow[], at: number]
  | readonly [
      kind: typeof decided.policyChanged,
      how: 'promoted' | 'rolledBack',
      policy: PlacementPolicy,
      at: number,
      by: PrincipalId | '',
      reason: string,
      evidence: PolicyEvidence | null,
    ]
  | readonly [
      kind: typeof decided.modelSet,
      spec: ModelSpec,
      owner: PrincipalId,
      at: number,
      /** Instances of lower numbers are of a former specification. */
      since: number,
      /** Missing where none is kept, and in what earlier versions wrote. */
      tunings?: readonly Tuning[],
    ]
  | readonly [kind: typeof decided.modelRemoved, name: string, at: number]
  | readonly [
      kind: typeof decided.collectionSet,
      name: string,
      shards: readonly WireShard[],
      at: number,
      by: PrincipalId | '',
      /** Copies that each shard is to have; missing of none, and in what earlier versions wrote. */
      replicas?: number,
    ]
  | readonly [kind: typeof decided.collectionForgotten, name: string, at: number]
  | readonly [
      kind: typeof decided.measured,
      task: TaskId,
      attempt: AttemptNo,
      devices: readonly WireDevice[],
      at: number,
    ];

export const outcomeStates = ['succeeded', 'failed', 'cancelled'] as const;

export function wireDevices({ devices }: Reservation): readonly WireDevice[] {
  return devices.map(({ uuid, vramBytes, whole }) => [uuid, vramBytes, whole]);
}

/** `memoryBytes`: what is charged, where it is more than is asked for. */
export function reservationOf(
  { kind, resources, model }: Envelope,
  devices: readonly WireDevice[],
  memoryBytes = resources.memoryBytes,
): Reservation {
  const { cpuMilli, diskBytes } = resources;
  return {
    cpuMilli,
    memoryBytes,
    diskBytes,
    devices: devices.map(([uuid, vramBytes, whole]) => ({ uuid: uuid as never, vramBytes, whole })),
    ...(model !== undefined && asksModel(kind) && { model }),
  };
}
