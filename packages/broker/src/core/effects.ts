/**
 * What the core asks the shell to do. Order matters only through `gated`: a gated effect leaves when every record
 * emitted before it is durable (E5, E9, E10); an ungated one reveals nothing that is not yet durable and leaves at once.
 */
import type {
  AttemptNo,
  BlobHash,
  DataPlaceDocument,
  Envelope,
  Failure,
  PrincipalId,
  RequestArgs,
  SessionId,
  ShardHold,
  StatusDocument,
  TaskId,
  ToClient,
  ToWorker,
  TransferOp,
  WorkerId,
} from '@gryphgen/protocol';
import type { JudgedOrder } from './placing/policy-orders.ts';
import type { Decision } from './record/decisions.ts';
import type { Task } from './state.ts';

/** What is asked of a task beside what it is. */
export interface AskedOfTask {
  /** Of `fetch`. */
  readonly artifact?: string;
  /** Of `logs`: the asker reads what is kept beside the broker. */
  readonly kept?: boolean | undefined;
}

/** Of `fetch` and `store` the artifact; else the worker, of `logs` and `exec` with the attempt. */
export type GrantSubject =
  | { readonly artifact: string; readonly owner?: PrincipalId }
  | { readonly task: TaskId; readonly attempt: AttemptNo | number; readonly worker: string }
  | { readonly worker: WorkerId };

/** What the shell alone knows of the broker; the core knows the rest. */
export type ShellStatus = Pick<StatusDocument, 'door' | 'journal' | 'beside'>;
export type CoreStatus = Omit<StatusDocument, keyof ShellStatus>;

/** What is asked of the list of who may enter, and of what the broker is to them. */
export type DoorOperation =
  | 'createTicket'
  | 'enrol'
  | 'principals'
  | 'revokePrincipal'
  | 'tickets'
  | 'revokeTicket'
  | 'announce';
export type EnrolmentOrder = {
  readonly [O in DoorOperation]: { readonly op: O; readonly args: RequestArgs<O> };
}[DoorOperation];

export type EnrolmentEffect = Extract<BrokerEffect, { kind: 'enrolment' }>;

export type BrokerEffect =
  | { readonly kind: 'record'; readonly decision: Decision }
  | {
      readonly kind: 'send';
      readonly session: SessionId;
      readonly message: Exclude<ToClient | ToWorker, { kind: 'lease' | 'credit' | 'heartbeatAck' | 'bye' }>;
      readonly gated: boolean;
      /** Nobody waits for it: it may leave with what is sent to that session next (E38). */
      readonly mayWait?: true;
    }
  /** The shell adds the journal's head. */
  | { readonly kind: 'heartbeatAck'; readonly session: SessionId; readonly seq: number }
  /** The shell adds envelope and body. `attempt` is the task's at the time of the decision. */
  | {
      readonly kind: 'lease';
      readonly session: SessionId;
      readonly task: Task;
      readonly attempt: AttemptNo;
      readonly leaseSeq: number;
      readonly floor: number;
      readonly gated: boolean;
      /** As it is owned when the lease is sent (E40). */
      readonly shard?: ShardHold;
    }
  /** Store what an instance of a model is to run, as a submission's is, and tell by `instancePrepared`. */
  | {
      readonly kind: 'prepareInstance';
      readonly model: string;
      /** Of which of the model's specifications. */
      readonly since: TaskId;
      readonly envelope: Uint8Array;
      readonly body: Uint8Array;
      /** Where it is to be, and why. */
      readonly words: string;
    }
  /** Store what a task that carries a copy is to do, as a submission's is, and tell by `copyPrepared`. */
  | {
      readonly kind: 'prepareCopy';
      readonly collection: string;
      readonly index: number;
      readonly principal: PrincipalId | '';
      readonly envelope: Uint8Array;
      readonly body: Uint8Array;
    }
  /** All that a message of the session caused has left before this: its credit comes back (E3). */
  | { readonly kind: 'answered'; readonly session: SessionId }
  /** End the session; the peer must say hello again. */
  | { readonly kind: 'close'; readonly session: SessionId; readonly failure: Failure }
  /** Answer from the history table: the core no longer holds these tasks. */
  | {
      readonly kind: 'lookup';
      readonly session: SessionId;
      readonly task: TaskId;
      /** Another's is answered as if it had never been; null: everybody's. */
      readonly onlyOf: PrincipalId | null;
      readonly answer:
        | { readonly kind: 'finished' }
        | ({ readonly kind: 'reply'; readonly request: number; readonly op: string } & AskedOfTask);
    }
  /** An ephemeral task's body must stay in memory from acceptance to its end. */
  | { readonly kind: 'pinBody' | 'unpinBody'; readonly body: BlobHash }
  /** Answer with the core's status and the shell's. */
  | {
      readonly kind: 'status';
      readonly session: SessionId;
      readonly request: number;
      readonly status: CoreStatus;
    }
  /** Load the body and answer the request with envelope and body. */
  | {
      readonly kind: 'spec';
      readonly session: SessionId;
      readonly request: number;
      readonly envelope: Envelope;
      readonly body: BlobHash;
    }
  /** Answer from core and history: finished tasks older than the core holds. */
  | {
      readonly kind: 'history';
      readonly session: SessionId;
      readonly request: number;
      readonly recent: readonly unknown[];
      /** Whose alone; null: everybody's. */
      readonly onlyOf: PrincipalId | null;
      readonly limit: number;
    }
  /** Answer with tasks that ended well before this one; null: with the newest. */
  | {
      readonly kind: 'pastTasks';
      readonly session: SessionId;
      readonly request: number;
      readonly before: number | null;
      readonly limit: number;
    }
  /** Take the worker's key off the list of those that may enter, and tell by `keyRevoked`. */
  | {
      readonly kind: 'revoke';
      readonly worker: WorkerId;
      readonly session: SessionId;
      readonly request: number;
    }
  /** Have a policy judged by what has run, off the loop, and tell by `policyJudged`. */
  | {
      readonly kind: 'judgePolicy';
      readonly session: SessionId;
      readonly request: number;
      readonly order: JudgedOrder;
    }
  /** Ask the door about who may enter, or tell it: it answers the request. */
  | {
      readonly kind: 'enrolment';
      readonly session: SessionId;
      readonly request: number;
      /** Who asks: an admin, or a ticket to let somebody in. */
      readonly principal: PrincipalId;
      readonly order: EnrolmentOrder;
    }
  /** Check the home, off the loop, and answer the request with what was found. */
  | { readonly kind: 'fsck'; readonly session: SessionId; readonly request: number }
  /** Sign a grant for an artifact and answer the request with it; the shell adds where its own store is. */
  | {
      readonly kind: 'artifact';
      readonly op: 'fetch' | 'store';
      readonly session: SessionId;
      readonly request: number;
      readonly artifact: string;
      /** Of `store` by a worker: whose task has left it. */
      readonly owner?: PrincipalId;
      readonly workers: readonly DataPlaceDocument[];
      /** The names of those that have it and are not connected. */
      readonly away: readonly string[];
      /** Those that have it and are: they may be had through the relay. */
      readonly connected: readonly WorkerId[];
      readonly gated: boolean;
    }
  /** Sign a grant for one transfer at a worker and answer the request with it. */
  | {
      readonly kind: 'grant';
      readonly op: TransferOp;
      readonly session: SessionId;
      readonly request: number;
      readonly about: GrantSubject;
      /** '' where nobody connects to the worker now. */
      readonly endpoint: string;
      readonly dataKey: string;
      /** Of a log: it may be had beside the broker, too. */
      readonly kept: boolean;
      /** The answer where it is nowhere. */
      readonly orElse: Failure;
      readonly gated: boolean;
    }
  /** Sign a grant for the worker at what is beside the broker, and answer the request with it. */
  | {
      readonly kind: 'besideGrant';
      /** To bring logs, or to be had through the relay. */
      readonly op: 'keepLogs' | 'relay';
      readonly session: SessionId;
      readonly request: number;
      readonly worker: WorkerId;
    };
