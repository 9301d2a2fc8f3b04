/**
 * What comes of a frame, a tick, a commit, and in which order. The real broker drives it with sockets and timers, the
 * simulator with packets and simulated time: what differs between them is in `LoopParts` and nowhere else.
 *
 * 1. Messages are stepped and their effects performed one by one; at the end of a turn hellos are taken up, requests are
 *    answered, tasks are placed, then what was decided is committed.
 */
import {
  type DecodedFrame,
  type Epoch,
  type Failure,
  failure,
  GridError,
  limits,
  type PrincipalId,
  type SessionId,
} from '@gryphgen/protocol';
import { type PeerKey, principalIdOf } from '@gryphgen/runtime';
import type { Judgement } from '@gryphgen/scheduler';
import type { AuditHead } from './audit/audit-chain.ts';
import { Committer } from './committer.ts';
import { nameOf } from './core/documents.ts';
import type { BrokerEffect } from './core/effects.ts';
import { BrokerEngine } from './core/engine.ts';
import type { BrokerEvent, Now } from './core/events.ts';
import { placeOf, placesOf } from './core/workers/artifacts.ts';
import { HelloTurns } from './hello-turns.ts';
import type { LoopParts } from './loop-parts.ts';
import { Performer } from './performer.ts';
import { RequestTurns } from './request-turns.ts';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';
import { SpecStore } from './spec-store.ts';

/** Of a turn, for hellos and for requests; the one that exceeds it is the turn's last. */
const hellosMs = 4;
const requestsMs = 4;

export class BrokerLoop {
  readonly engine: BrokerEngine;
  readonly sessions: Sessions;
  readonly committer: Committer;
  private readonly parts: LoopParts;
  private readonly specs = new SpecStore();
  private readonly hellos = new HelloTurns<DecodedFrame<'toBroker'>>();
  private readonly requests = new RequestTurns();
  private readonly performer: Performer;

  constructor(parts: LoopParts) {
    const { grid, state, journal, clock, alarms, random, authorized, log } = parts;
    const { epoch, timers } = state;
    const { specs } = this;
    const engine = new BrokerEngine(state, ({ decision }) => {
      parts.decided(decision);
      parts.audit?.access.decided(decision);
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
      queue: (...said) => parts.queue(...said),
      close: (session, why) => {
        parts.audit?.access.forbidden(session, why);
        this.output(sessions.close(session, why));
      },
      answered: (session) => this.output(sessions.answered(session, 1)),
      grant: (op, session, about) => parts.grant(op, session, about),
      shellStatus: () => parts.shellStatus(),
      outside: (effect) => (effect.kind === 'revoke' ? this.revoke(effect) : this.judge(effect)),
      enrolment: (effect) => parts.enrolment(effect),
      fsck: () => parts.fsck(),
      bodyMissing: (task, attempt, why) =>
        parts.defer(() => this.step({ kind: 'bodyMissing', task, attempt, why })),
      prepare: (effect) =>
        parts.defer(() => {
          const spec = specs.read(effect.envelope, effect.body);
          if (effect.kind === 'prepareInstance') {
            const { model, since, words } = effect;
            this.step({ kind: 'instancePrepared', model, since, spec, words });
            return;
          }
          const { collection, index, principal } = effect;
          this.step({ kind: 'copyPrepared', collection, index, principal, spec });
        }),
      findWorker: (id) => placeOf(state, id),
      findArtifact: (artifact, document) => placesOf(state, artifact, document, null),
      beside: () => parts.beside(),
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
    return this.engine.state.wake || !this.requests.isEmpty || !this.hellos.isEmpty;
  }

  /** `bytes`: those of the frame. */
  receive(peer: PeerKey, frame: DecodedFrame<'toBroker'>, bytes: number): void {
    const last = frame.ok && frame.session === '' ? frame.messages.at(-1) : undefined;
    if (last?.kind === 'hello') {
      const hasRoom = this.hellos.push(peer, frame, bytes);
      this.parts.waits(last);
      if (!hasRoom) this.takeHello();
      return;
    }
    // Who knocks has left the hello that it said before.
    if (last?.kind === 'knock') this.hellos.forget(peer);
    this.output(this.sessions.receive(peer, frame));
  }

  /** The peer did not read, or its connection is gone. */
  lost(peer: PeerKey, why: 'overflow' | 'gone'): void {
    this.hellos.forget(peer);
    this.output(this.sessions.lost(peer, why));
  }

  /** To be called every `tickMs`. */
  tick(): void {
    this.output(this.sessions.tick());
    this.committer.tick();
    this.step({ kind: 'tick' });
  }

  /** The end of a turn: takes up hellos and answers requests, for as long as they may take, and gives out what waits and can be placed. */
  endTurn(): void {
    this.forUpTo(hellosMs, () => this.takeHello());
    this.forUpTo(requestsMs, () => this.takeRequest());
    if (this.engine.state.wake) this.step({ kind: 'schedule' });
  }

  /** One at least; `take` answers whether there was one. */
  private forUpTo(ms: number, take: () => boolean): void {
    const { clock } = this.parts;
    const end = clock.mono() + ms;
    while (take() && clock.mono() < end);
  }

  private takeHello(): boolean {
    const next = this.hellos.take();
    if (next !== undefined) this.output(this.sessions.receive(next.peer, next.frame));
    return next !== undefined;
  }

  private takeRequest(): boolean {
    const next = this.requests.take();
    if (next !== undefined) this.step({ kind: 'message', ...next });
    return next !== undefined;
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
          this.parts.audit?.access.opened(session, { principal, role, from: this.addressOf(key) });
          this.step({ kind: 'sessionOpened', session, principal, role, worker, peer });
          this.parts.opened(peer, nameOf(this.engine.state, worker ?? ''));
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
        const { seq, floor, key, envelope, body, progress } = message;
        const spec = this.specs.read(envelope, body);
        this.step({ kind: 'submit', session, seq, floor, key, progress, spec });
      } else if (message.kind === 'request') {
        this.parts.audit?.access.asked(session, message);
        this.requests.push(session, message);
        this.parts.waits(message);
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

  private judge({ session, request, order }: Extract<BrokerEffect, { kind: 'judgePolicy' }>): void {
    const told = (judgement: Judgement | Failure): void =>
      this.parts.defer(() => this.step({ kind: 'policyJudged', session, request, order, judgement }));
    this.parts.judge(order).then(told, (error: unknown) => {
      if (error instanceof GridError) return told(error.failure);
      this.parts.log.error({ err: error }, 'a policy could not be judged');
      const words = `the policy could not be judged: ${String(error)}`;
      return told(failure('internal.bug', words.slice(0, limits.messageChars)));
    });
  }

  private readonly performOne = (effect: BrokerEffect): void => this.performer.perform(effect);
}
