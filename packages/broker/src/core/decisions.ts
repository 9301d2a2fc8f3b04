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
  PrincipalId,
  TaskId,
  WorkerId,
} from '@gryphgen/protocol';

export type WireDevice = readonly [uuid: string, vramBytes: number, whole: boolean];

export type Decision =
  | readonly [kind: 0, hash: BlobHash, envelope: Envelope, shapeKey: string]
  | readonly [
      kind: 1,
      task: TaskId,
      envelope: BlobHash,
      body: BlobHash,
      principal: PrincipalId,
      client: ClientId,
      seq: number,
      floor: number,
      key: string,
      at: number,
    ]
  | readonly [
      kind: 2,
      task: TaskId,
      attempt: AttemptNo,
      worker: WorkerId,
      devices: readonly WireDevice[],
      at: number,
    ]
  | readonly [
      kind: 3,
      task: TaskId,
      attempt: AttemptNo,
      state: 0 | 1 | 2,
      exitCode: number,
      code: FailureCode | '',
      message: string,
      startedAt: number,
      at: number,
      outcome: Uint8Array | null,
    ]
  | readonly [
      kind: 4,
      task: TaskId,
      attempt: AttemptNo,
      code: FailureCode,
      message: string,
      delayMs: number,
      at: number,
    ]
  | readonly [kind: 5, task: TaskId, at: number]
  | readonly [kind: 6, worker: WorkerId, name: string, at: number]
  | readonly [kind: 7, worker: WorkerId, draining: boolean, at: number]
  | readonly [kind: 8, worker: WorkerId, at: number]
  | readonly [kind: 9, keys: readonly string[], at: number]
  | readonly [kind: 10, clients: readonly ClientId[], at: number];

export const outcomeStates = ['succeeded', 'failed', 'cancelled'] as const;
