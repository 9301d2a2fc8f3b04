/**
 * Every logical message, as the code sees it. On the wire a message is `[kind, header, body]` (see wire.ts); the hot
 * ones (those each task costs) have a number and a positional header, the others a name and a map.
 *
 * Delivery is at most once, in any order the network likes: every exchange here is therefore idempotent and repeated
 * until answered (submit by its number, lease by its lease number, result until `resultAck`, stop until the result).
 */
import type { ShardHold } from './collection-shards.ts';
import type { Failure } from './failure.ts';
import type { AttemptNo, ClientId, Epoch, PrincipalId, TaskId } from './ids.ts';
import type { Timers } from './limits.ts';
import type { DeviceShare, Reservation, WorkerReport } from './resources.ts';
import type { Address, Health, PublishedPort } from './service-state.ts';
import type { Fetched, Usage, Use } from './usage.ts';

/** What a key is let in for. */
export const enrolledRoles = ['admin', 'submitter', 'viewer', 'worker', 'delegate'] as const;
export type EnrolledRole = (typeof enrolledRoles)[number];
/** A ticket's key may let one other key in, and nothing else (E24). */
export type Role = EnrolledRole | 'ticket';
export const roles: readonly Role[] = [...enrolledRoles, 'ticket'];

export type OutcomeState = 'succeeded' | 'failed' | 'cancelled';

/** The newest commit a broker has made durable; workers keep the latest they saw, so that a cut tail is noticed. */
export interface JournalHead {
  readonly seq: number;
  /** Hex sha-256 of the chain up to `seq`. */
  readonly digest: string;
}

/** One attempt as a worker that says hello reports it. `held`: prepared but not started; told by workers before 0.2 alone. */
export interface AttemptReport {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
  readonly phase: 'held' | 'running' | 'ended';
  readonly reservation: Reservation;
}

// ---- handshake (before a session exists) ----

/** Peer → broker, first of all. */
export interface Knock {
  readonly kind: 'knock';
  readonly versions: readonly number[];
}
/** Broker → peer: sign this. */
export interface Challenge {
  readonly kind: 'challenge';
  /** Base64url, 32 random bytes, good for one hello from this connection for a few seconds. */
  readonly nonce: string;
  readonly grid: string;
  readonly version: number;
}
/** Peer → broker: `signature` (base64url Ed25519) covers grid, nonce, role and key; see runtime/keys. */
export interface Hello {
  readonly kind: 'hello';
  readonly nonce: string;
  /** Base64url raw Ed25519 public key. */
  readonly key: string;
  readonly role: Role;
  readonly signature: string;
  readonly product: string;
  readonly peer: PeerHello;
  /** Of a delegate: for whom this session acts, and so whose role is said. */
  readonly actsFor?: PrincipalId | undefined;
}
/** What the peer is. `boot` differs between two lives of a worker. */
export type PeerHello =
  | { readonly kind: 'client'; readonly client: ClientId }
  | {
      readonly kind: 'worker';
      readonly boot: string;
      readonly report: WorkerReport;
      readonly attempts: readonly AttemptReport[];
      readonly head: JournalHead | null;
    };
export interface Welcome {
  readonly kind: 'welcome';
  readonly session: string;
  readonly epoch: Epoch;
  readonly timers: Timers;
  /** Messages the peer may send before the first `credit`. */
  readonly credit: number;
  readonly principal: string;
  /** The broker's wall clock: what the age of its grants is judged by. Older brokers do not tell. */
  readonly wallMs?: number | undefined;
}
/** Broker → peer, instead of an answer: this request or connection is refused. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly failure: Failure;
}
/** Broker → peer: your session is unknown (broker restarted, key revoked, connection changed). Knock again. */
export interface HelloAgain {
  readonly kind: 'helloAgain';
}

// ---- any session ----

/** With what it uses now, where the worker has seen that lately. */
export type ListedAttempt = readonly [task: TaskId, attempt: AttemptNo, use?: Use];

/** `attempts` are the worker's, ended ones included; empty for a client. Numbers grow by one in a session. */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly seq: number;
  readonly attempts: readonly ListedAttempt[];
}
export interface HeartbeatAck {
  readonly kind: 'heartbeatAck';
  readonly seq: number;
  readonly head: JournalHead;
}
/** The receiver may be sent `total` messages in this session, counted from its start. Absolute, so repeats are harmless. */
export interface Credit {
  readonly kind: 'credit';
  readonly total: number;
}
/** What the grid's key says of its broker now (runtime/voucher); told when a session opens, and when it changes (E29). */
export interface VoucherMessage {
  readonly kind: 'voucher';
  readonly voucher: string;
}
/** The session ends by the sender's wish. */
export interface Bye {
  readonly kind: 'bye';
}

// ---- client ↔ broker ----

/** `seq` counts this client's submissions from 1; below `floor` all are acknowledged. `key` '' means none. */
export interface Submit {
  readonly kind: 'submit';
  readonly seq: number;
  readonly floor: number;
  readonly key: string;
  /** msgpack of an Envelope. */
  readonly envelope: Uint8Array;
  readonly body: Uint8Array;
  /** As with a `watch` that asks for changes, from the first on. Older brokers step over it. */
  readonly progress?: true | undefined;
}
/** Durable before it is sent (for a durable task). `progress`: its changes are told. */
export interface Accepted {
  readonly kind: 'accepted';
  readonly seq: number;
  readonly task: TaskId;
  readonly progress?: true | undefined;
}
export interface Refused {
  readonly kind: 'refused';
  readonly seq: number;
  readonly failure: Failure;
}
/** Tell me when these end; those that have ended are answered at once. With `progress`, `changed` is sent too. */
export interface Watch {
  readonly kind: 'watch';
  readonly tasks: readonly TaskId[];
  readonly progress: boolean;
}
/** `exitCode` -1 when there is none. `outcome`: the executor's result, at most limits.bodyBytes. */
export interface Finished {
  readonly kind: 'finished';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly state: OutcomeState;
  readonly exitCode: number;
  readonly failure: Failure | null;
  readonly outcome: Uint8Array;
}
export interface Changed {
  readonly kind: 'changed';
  readonly task: TaskId;
  readonly state: 'waiting' | 'leased' | 'running';
  readonly attempt: AttemptNo;
  /** Its id and its name; '' of a task that waits. Older brokers tell no name. */
  readonly worker: string;
  readonly workerName?: string | undefined;
  /** Of a service that runs, once its worker has told. */
  readonly addresses?: readonly Address[] | undefined;
  readonly health?: Health | undefined;
  readonly fetched?: Fetched | undefined;
}
/** A question or order on the slow path; `args` is checked by the operation's schema. Orders are idempotent. */
export interface Request {
  readonly kind: 'request';
  readonly id: number;
  readonly op: string;
  readonly args: unknown;
}
export interface Reply {
  readonly kind: 'reply';
  readonly id: number;
  readonly result: unknown;
  readonly failure: Failure | null;
}

// ---- broker ↔ worker ----

/**
 * Run this. `leaseSeq` counts the leases of this session from 1; all below `floor` are settled. The same attempt may
 * be leased again (after a new hello): that confirms it, and lets a `held` one start.
 */
export interface Lease {
  readonly kind: 'lease';
  readonly leaseSeq: number;
  readonly floor: number;
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
  readonly devices: readonly DeviceShare[];
  readonly envelope: Uint8Array;
  readonly body: Uint8Array;
  /** Who submitted the task. Older brokers do not tell. */
  readonly principal?: PrincipalId | undefined;
  /** Submitted in a session of an admin (E36). Left out: not, or an older broker. */
  readonly byAdmin?: true | undefined;
  /** Of a task with a shard: as the broker knows that (E40). */
  readonly shard?: ShardHold | undefined;
}
export interface Started {
  readonly kind: 'started';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
}
/**
 * Where others reach a running attempt, and how well it is; of one that publishes nothing and is not checked, nothing is
 * told. `seq` grows with each change; what is said again has the same (E23).
 */
export interface Served {
  readonly kind: 'served';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
  readonly seq: number;
  readonly ports: readonly PublishedPort[];
  /** Null of one that is not checked. */
  readonly health: Health | null;
}
/** `failure` is null exactly when the attempt succeeded. */
export interface Result {
  readonly kind: 'result';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
  readonly exitCode: number;
  readonly failure: Failure | null;
  readonly ranMs: number;
  readonly outcome: Uint8Array;
  readonly usage?: Usage | undefined;
}
/** The result is durable or fenced off: forget the attempt. */
export interface ResultAck {
  readonly kind: 'resultAck';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
}
/**
 * `cancel`, `drain`: end it and report the result. `drop`: it is fenced; end it, forget it, report nothing. To a worker
 * that does not know `drain` it reads as a `cancel`.
 * `leaseSeq` marks the lease as seen, for a stop that overtakes its lease; 0 when the lease was not of this session.
 */
export interface Stop {
  readonly kind: 'stop';
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
  readonly leaseSeq: number;
  readonly reason: 'cancel' | 'drop' | 'drain';
}
/** Others wait for the slot that this attempt lends: it takes no more questions, and ends with its answer (E41). Said again while they do. */
export type Recall = Omit<Started, 'kind'> & { readonly kind: 'recall' };
/** Whose grants are void: those revoked last. Each tells all there are, so repeats and late ones are harmless (E27). */
export type Revoked = { readonly kind: 'revoked'; readonly principals: readonly PrincipalId[] };
/** The worker's machine changed. */
export interface Report {
  readonly kind: 'report';
  readonly seq: number;
  readonly report: WorkerReport;
}

export type HandshakeMessage = Knock | Challenge | Hello | Welcome | Refusal | HelloAgain;
export type ToBroker =
  | Heartbeat
  | Bye
  | Credit
  | Submit
  | Watch
  | Request
  | Started
  | Served
  | Result
  | Report;
export type ToClient =
  | HeartbeatAck
  | Bye
  | Credit
  | VoucherMessage
  | Accepted
  | Refused
  | Finished
  | Changed
  | Reply;
export type ToWorker =
  | HeartbeatAck
  | Bye
  | Credit
  | VoucherMessage
  | Lease
  | ResultAck
  | Stop
  | Recall
  | Reply
  | Revoked;
export type SessionMessage = ToBroker | ToClient | ToWorker;
export type Message = HandshakeMessage | SessionMessage;
