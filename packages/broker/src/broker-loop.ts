/**
 * What comes of a frame, a tick, a commit, and in which order. The real broker drives it with sockets and timers, the
 * simulator with packets and simulated time: what differs between them is in `LoopParts` and nowhere else.
 *
 * 1. Messages are stepped and their effects performed one by one; at the end of a turn requests are answered, tasks are
 *    placed, then what was decided is committed.
 */
import {
  type ArtifactGrantDocument,
  type CheckDocument,
  type DecodedFrame,
  type Epoch,
  type Failure,
  failure,
  limits,
  type Message,
  type PeerHello,
  type PrincipalId,
  type SessionId,
  type StatusDocument,
  type TransferOp,
  type WorkerId,
} from '@gryphgen/protocol';
import {
  type Alarms,
  type Clock,
  type Log,
  type PeerKey,
  type PushOutcome,
  principalIdOf,
  type Random,
} from '@gryphgen/runtime';
import type { AuditHead } from './audit/audit-chain.ts';
import type { AuditDesk } from './audit/audit-desk.ts';
import { Committer } from './committer.ts';
import { placeOf, placesOf } from './core/artifacts.ts';
import type { Decision } from './core/decisions.ts';
import type { BrokerEffect, EnrolmentEffect, GrantSubject } from './core/effects.ts';
import { BrokerEngine } from './core/engine.ts';
import type { BrokerEvent, Now } from './core/events.ts';
import type { BrokerState } from './core/state.ts';
import type { KnownKeys } from './introduction.ts';
import type { Journal } from './journal/journal.ts';
import { Performer } from './performer.ts';
import { type RequestMessage, RequestTurns } from './request-turns.ts';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';
import { SpecStore } from './spec-store.ts';

/** Of a turn, for requests; the one that exceeds it is the turn's last. */
const requestsMs = 4;

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
  queue(peer: PeerKey, session: string, message: Message): PushOutcome;
  /** Performs the effects, in order, each by `one`. */
  perform(effects: readonly BrokerEffect[], one: (effect: BrokerEffect) => void): void;
  /** A job that comes from outside a turn: the journal has answered. */
  defer(job: () => void): void;
  /** A step has been made, and its effects are about to be performed. */
  stepped(event: BrokerEvent, now: Now): void;
  /** It waits for the end of a turn, which must come. */
  asked(request: RequestMessage): void;
  /** A decision enters the open group. */
  decided(decision: Decision): void;
  /** A peer has said a hello that is believed. */
  opened(hello: PeerHello): void;
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
  /** Checks the home, off the loop. */
  fsck(): Promise<CheckDocument>;
  grant(op: TransferOp, session: SessionId, about: GrantSubject): string;
  /** Where artifacts are brought and had; null while there is no such place. */
  artifacts(): ArtifactGrantDocument['broker'];
  shellStatus(): Pick<StatusDocument, 'door' | 'journal'>;
  /** The broker can no longer keep its word. */
  onFatal(error: unknown): void;
}

export class BrokerLoop {
  readonly engine: BrokerEngine;
  readonly sessions: Sessions;
  readonly committer: Committer;
  private readonly parts: LoopParts;
  private readonly specs = new SpecStore();
  private readonly requests = new RequestTurns();
  private readonly performer: Performer;

  constructor(parts: LoopParts) {
    const { grid, state, journal, clock, alarms, random, authorized, log } = parts;
    const { epoch, timers } = state;
    const { specs } = this;
    const engine = new BrokerEngine(state, ({ decision }) => {
      parts.decided(decision);
      this.committer.note(decision);
    });
    const sessions = new Sessions({ grid, epoch: epoch as Epoch, timers, clock, random, authorized });
    this.parts = parts;
    this.engine = engine;
    this.sessions = sessions;
    this.performer = new Performer({
      journal,
      specs,
      log,
      peerOf: (session) => sessions.peerOf(session),
      told: (session, message) => parts.audit?.access.told(session, message),
      queue: (peer, session, message) => parts.queue(peer, session, message),
      close: (session, why) => {
        parts.audit?.access.forbidden(session, why);
        this.output(sessions.close(session, why));
      },
      answered: (session) => this.output(sessions.answered(session, 1)),
      grant: (op, session, about) => parts.grant(op, session, about),
      shellStatus: () => parts.shellStatus(),
      revoke: (effect) => this.revoke(effect),
      enrolment: (effect) => parts.enrolment(effect),
      fsck: () => parts.fsck(),
      bodyMissing: (task, attempt, why) =>
        parts.defer(() => this.step({ kind: 'bodyMissing', task, attempt, why })),
      findWorker: (id) => placeOf(state, id),
      findArtifact: (artifact, document) => placesOf(state, artifact, document, null),
      artifacts: () => parts.artifacts(),
    });
    this.committer = new Committer(engine.pipeline, journal, specs, alarms, {
      onDurable: (effects) => parts.defer(() => this.perform(effects)),
      onStalled: (stalled) => {
        const words = stalled
          ? 'the journal is full or too slow: durable work is refused'
          : 'the journal writes again';
        log.warn({ stalled }, words);
        parts.defer(() => this.step({ kind: 'journalStalled', stalled }));
      },
      onFatal: (error) => parts.onFatal(error),
    });
  }

  /** Whether there is more to do than one turn takes. */
  get wakes(): boolean {
    return this.engine.state.wake || !this.requests.isEmpty;
  }

  receive(peer: PeerKey, frame: DecodedFrame<'toBroker'>): void {
    this.output(this.sessions.receive(peer, frame));
  }

  /** The peer did not read, or its connection is gone. */
  lost(peer: PeerKey, why: 'overflow' | 'gone'): void {
    this.output(this.sessions.lost(peer, why));
  }

  /** To be called every `tickMs`. */
  tick(): void {
    this.output(this.sessions.tick());
    this.committer.tick();
    this.step({ kind: 'tick' });
  }

  /** The end of a turn: answers requests, for as long as they may take, and gives out what waits and can be placed. */
  endTurn(): void {
    const { clock } = this.parts;
    const end = clock.mono() + requestsMs;
    for (let next = this.requests.take(); next !== undefined; ) {
      this.step({ kind: 'message', ...next });
      next = clock.mono() < end ? this.requests.take() : undefined;
    }
    if (this.engine.state.wake) this.step({ kind: 'schedule' });
  }

  /** The audit log is on disk up to this record. */
  audited(head: AuditHead): void {
    this.step({ kind: 'audited', ...head });
  }

  /** Writes what was decided, unless a group is being written. */
  commit(): void {
    this.committer.pump();
  }

  /** By its CURVE key, which the door sees, from where this key came last. */
  private addressOf(key: string): string {
    const { audit, authorized } = this.parts;
    return audit?.addressOf(authorized.find(key)?.curveKey ?? '') ?? '';
  }

  /** Of a key that is not authorised any more. */
  endSessions(key: string): void {
    this.output(this.sessions.revoke(key));
    this.parts.voided(this.revoked());
    for (const { id, worker } of this.engine.state.sessions.values())
      if (worker !== null) this.tellRevoked(id);
  }

  /** All who are in session are told what was announced (E29). */
  announced(): void {
    for (const id of this.engine.state.sessions.keys()) this.tellVoucher(id);
  }

  private tellVoucher(session: SessionId): void {
    const peer = this.sessions.peerOf(session);
    const voucher = this.parts.voucher();
    if (peer === undefined || voucher === '') return;
    this.parts.queue(peer, session, { kind: 'voucher', voucher });
  }

  /** What runs on grants is ended by whoever serves it (E27). */
  private tellRevoked(session: SessionId): void {
    const peer = this.sessions.peerOf(session);
    const principals = this.revoked();
    if (peer === undefined || principals.length === 0) return;
    this.parts.queue(peer, session, { kind: 'revoked', principals });
  }

  /** Whose grants are void, as far as is told. */
  revoked(): readonly PrincipalId[] {
    return this.parts.revoked().slice(-limits.revokedTold);
  }

  private output(outputs: readonly SessionOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'reply':
          this.parts.queue(output.peer, output.session, output.message);
          break;
        case 'opened': {
          const { session, key, principal, role, worker, hello: peer } = output;
          this.parts.seen(key);
          this.parts.opened(peer);
          this.parts.audit?.access.opened(session, { principal, role, from: this.addressOf(key) });
          this.step({ kind: 'sessionOpened', session, principal, role, worker, peer });
          this.tellVoucher(session);
          if (worker !== null) this.tellRevoked(session);
          break;
        }
        case 'turnedAway': {
          const { key, role } = output.hello;
          const who = principalIdOf(key);
          this.parts.audit?.access.turnedAway(who, role, this.addressOf(key), output.failure);
          break;
        }
        case 'closed':
          this.parts.audit?.access.closed(output.session);
          this.parts.seen(output.key);
          this.requests.forget(output.session);
          this.step({ kind: 'sessionClosed', session: output.session, bye: output.reason === 'bye' });
          break;
        case 'messages':
          this.onMessages(output);
          break;
        default:
          output satisfies never;
      }
    }
  }

  private onMessages({ session, messages }: Extract<SessionOutput, { kind: 'messages' }>): void {
    for (const message of messages) {
      if (message.kind === 'submit') {
        const { seq, floor, key, envelope, body } = message;
        this.step({ kind: 'submit', session, seq, floor, key, spec: this.specs.read(envelope, body) });
      } else if (message.kind === 'request') {
        this.parts.audit?.access.asked(session, message);
        this.requests.push(session, message);
        this.parts.asked(message);
      } else this.step({ kind: 'message', session, message });
    }
  }

  private step(event: BrokerEvent): void {
    const { clock } = this.parts;
    const now: Now = { mono: clock.mono(), wall: clock.wall() };
    const effects = this.engine.step(event, now);
    this.parts.stepped(event, now);
    this.perform(effects);
  }

  private perform(effects: readonly BrokerEffect[]): void {
    this.parts.perform(effects, this.performOne);
  }

  private revoke({ worker, session, request }: Extract<BrokerEffect, { kind: 'revoke' }>): void {
    const told = (why: Failure | null): void =>
      this.step({ kind: 'keyRevoked', worker, session, request, failure: why });
    this.parts.revoke(worker).then(
      (key) =>
        this.parts.defer(() => {
          if (key !== undefined) this.endSessions(key);
          told(null);
        }),
      (error: unknown) =>
        this.parts.defer(() => {
          this.parts.log.error({ err: error, worker }, 'a key could not be revoked');
          const words = `the key of ${worker} could not be taken off the list of those that may enter: ${String(error)}`;
          told(failure('internal.bug', words.slice(0, limits.messageChars)));
        }),
    );
  }

  private readonly performOne = (effect: BrokerEffect): void => this.performer.perform(effect);
}
