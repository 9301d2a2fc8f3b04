/** What differs between the loop of a real broker and that of a simulated one. */
import type {
  CheckDocument,
  Hello,
  Message,
  PeerHello,
  PrincipalId,
  SessionId,
  TransferOp,
  WorkerId,
} from '@gryphgen/protocol';
import type { Alarms, Clock, Log, PeerKey, PushOutcome, Random } from '@gryphgen/runtime';
import type { Judgement } from '@gryphgen/scheduler';
import type { Beside } from './artifacts/permission.ts';
import type { AuditDesk } from './audit/audit-desk.ts';
import type { BrokerEffect, EnrolmentEffect, GrantSubject, ShellStatus } from './core/effects.ts';
import type { BrokerEvent, Now } from './core/events.ts';
import type { JudgedOrder } from './core/placing/policy-orders.ts';
import type { Decision } from './core/record/decisions.ts';
import type { BrokerState } from './core/state.ts';
import type { KnownKeys } from './introduction.ts';
import type { Journal } from './journal/journal.ts';
import type { RequestMessage } from './request-turns.ts';

export interface LoopParts {
  readonly grid: string;
  readonly state: BrokerState;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly authorized: KnownKeys;
  readonly log: Log;
  /** What peers ask and are answered is recorded there; the simulator keeps no records. */
  readonly audit?: Pick<AuditDesk, 'access' | 'addressOf'>;
  queue(peer: PeerKey, session: string, message: Message, mayWait?: boolean): PushOutcome;
  /** Performs the effects, in order, each by `one`. */
  perform(effects: readonly BrokerEffect[], one: (effect: BrokerEffect) => void): void;
  /** A job that comes from outside a turn: the journal has answered. */
  defer(job: () => void): void;
  /** A step has been made, and its effects are about to be performed. */
  stepped(event: BrokerEvent, now: Now): void;
  /** It waits for the end of a turn, which must come. */
  waits(message: RequestMessage | Hello): void;
  /** A decision enters the open group. */
  decided(decision: Decision): void;
  /** A peer has said a hello that is believed. `worker`: what it is called here; '' of another peer. */
  opened(hello: PeerHello, worker: string): void;
  /** A session of the key has been opened, or has ended. */
  seen(key: string): void;
  /** Lets the worker's key in no more, restarts included; resolves with it when that is on disk. */
  revoke(worker: WorkerId): Promise<string | undefined>;
  /** Asks the door who may enter, or tells it; resolves with the answer when what it changed is on disk. */
  enrolment(effect: EnrolmentEffect): Promise<unknown>;
  /** What the grid's key says of this broker; '' while nothing was announced. */
  voucher(): string;
  /** Whose grants are void, those revoked last at the end. */
  revoked(): readonly PrincipalId[];
  /** Has the broker's own data endpoint know it. */
  voided(principals: readonly PrincipalId[]): void;
  /** Judges a policy by what has run, off the loop; rejects with GridError where it is refused. */
  judge(order: JudgedOrder): Promise<Judgement>;
  /** Checks the home, off the loop. */
  fsck(): Promise<CheckDocument>;
  grant(op: TransferOp, session: SessionId, about: GrantSubject): string;
  /** What keeps artifacts and logs beside the broker, and relays; null while it is not there. */
  beside(): Beside | null;
  shellStatus(): ShellStatus;
  /** The broker can no longer keep its word. */
  onFatal(error: unknown): void;
}
