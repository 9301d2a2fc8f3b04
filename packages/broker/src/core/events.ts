/** What may happen to the broker. The shell turns frames, timers and the outcomes of effects into these. */
import type {
  AttemptNo,
  BlobHash,
  Envelope,
  Failure,
  PeerHello,
  PrincipalId,
  Role,
  SessionId,
  TaskId,
  ToBroker,
  WorkerId,
} from '@gryphgen/protocol';
import type { Judgement } from '@gryphgen/scheduler';
import type { JudgedOrder } from './placing/policy-orders.ts';

/** Milliseconds. `mono` never goes back within one life of the process; `wall` may jump. */
export interface Now {
  readonly mono: number;
  readonly wall: number;
}

/** A specification the shell has decoded, checked, hashed and stored. */
export interface SubmittedSpec {
  readonly envelope: Envelope;
  readonly envelopeHash: BlobHash;
  readonly shapeKey: string;
  readonly bodyHash: BlobHash;
  readonly bodyBytes: number;
}

/** Messages that reach the core as they came; a `submit` comes decoded. */
export type PassedMessage = Exclude<ToBroker, { kind: 'submit' | 'bye' | 'credit' }>;

export type BrokerEvent =
  /** Authenticated; `worker` is the key's WorkerId when the role is worker. */
  | {
      readonly kind: 'sessionOpened';
      readonly session: SessionId;
      readonly principal: PrincipalId;
      readonly role: Role;
      readonly worker: WorkerId | null;
      readonly peer: PeerHello;
    }
  /** `bye`: the peer said so itself, and this life of it does not come back. */
  | { readonly kind: 'sessionClosed'; readonly session: SessionId; readonly bye?: boolean }
  | {
      readonly kind: 'submit';
      readonly session: SessionId;
      readonly seq: number;
      readonly floor: number;
      readonly key: string;
      readonly progress?: true | undefined;
      readonly spec: SubmittedSpec | Failure;
    }
  | { readonly kind: 'message'; readonly session: SessionId; readonly message: PassedMessage }
  /** At the end of each turn in which `state.wake` was set. */
  | { readonly kind: 'schedule' }
  /** A worker that is to be removed can enter no more; `failure` is why it still can, null when it cannot. */
  | {
      readonly kind: 'keyRevoked';
      readonly worker: WorkerId;
      readonly session: SessionId;
      readonly request: number;
      readonly failure: Failure | null;
    }
  /** What a replay of the history says of a policy that is to be in force, or why there was none. */
  | {
      readonly kind: 'policyJudged';
      readonly session: SessionId;
      readonly request: number;
      readonly order: JudgedOrder;
      readonly judgement: Judgement | Failure;
    }
  /** What an instance is to run is stored: it may be accepted. */
  | {
      readonly kind: 'instancePrepared';
      readonly model: string;
      readonly since: TaskId;
      readonly spec: SubmittedSpec | Failure;
      readonly words: string;
    }
  /** So is what is to make, take or let go a copy of a shard. */
  | {
      readonly kind: 'copyPrepared';
      readonly collection: string;
      readonly index: number;
      readonly principal: PrincipalId | '';
      readonly spec: SubmittedSpec | Failure;
    }
  /** The journal does not have what this attempt is to run. */
  | { readonly kind: 'bodyMissing'; readonly task: TaskId; readonly attempt: AttemptNo; readonly why: string }
  /** The audit log is on disk up to this record: the journal, and so its witnesses, are to know. */
  | { readonly kind: 'audited'; readonly seq: number; readonly digest: string }
  | { readonly kind: 'tick' }
  | { readonly kind: 'journalStalled'; readonly stalled: boolean };
