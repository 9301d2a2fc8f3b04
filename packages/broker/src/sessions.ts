/**
 * Who is at the other end of each connection: the broker's side of the handshake and of sessions. No I/O: frames in,
 * outputs out.
 *
 * 1. A session is opened by a hello alone: a fresh nonce of this very connection, signed by an authorised key, in the
 *    role it was authorised for (E1).
 * 2. A session's messages count only from the connection that said hello; all else is answered `helloAgain` (E1).
 * 3. One worker key, one client process: the newest hello wins (E2).
 * 4. Nobody sends beyond its credit; credit grows with what was answered (E3).
 * 5. Silence counts only in time in which the broker was watching (E13).
 */
import {
  type DecodedFrame,
  type Epoch,
  type Failure,
  failure,
  type Hello,
  limits,
  type Message,
  negotiate,
  type SessionId,
  type Timers,
  type ToBroker,
} from '@gryphgen/protocol';
import { type Clock, type PeerKey, principalIdOf, type Random, workerIdOf } from '@gryphgen/runtime';
import { Challenges } from './challenges.ts';
import { CreditAccount } from './credit-account.ts';
import { disbelief, type KnownKeys, principalOf, soleOf } from './introduction.ts';
import { newSessionCounters } from './session-counters.ts';
import type { PassedOn, SessionOutput } from './session-output.ts';
import { type Session, SessionTable } from './session-table.ts';

const sessionIdBytes = 16;
/** A tick that comes later than this many intervals shows a pause of the broker, not of its peers. */
const watchedTicks = 4;

export interface SessionsOptions {
  readonly grid: string;
  readonly epoch: Epoch;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly random: Random;
  readonly authorized: KnownKeys;
}

export class Sessions {
  readonly counters = newSessionCounters();
  /** The time of day that grants go by: as it was at the start, and counted on, whatever is done to the clock. */
  readonly wallMs: () => number;
  private readonly options: SessionsOptions;
  private readonly challenges: Challenges;
  private readonly table = new SessionTable();
  private watch = 0;
  private tickedAt: number;
  private out: SessionOutput[] = [];

  constructor(options: SessionsOptions) {
    this.options = options;
    this.challenges = new Challenges(options.clock, options.random);
    this.tickedAt = options.clock.mono();
    const wallOffset = options.clock.wall() - options.clock.mono();
    this.wallMs = () => Math.round(options.clock.mono() + wallOffset);
  }

  get size(): number {
    return this.table.size;
  }

  /** Where a session's messages go. */
  peerOf(session: SessionId): PeerKey | undefined {
    return this.table.find(session)?.peer;
  }

  keyOf(session: SessionId): string | undefined {
    return this.table.find(session)?.key;
  }

  receive(peer: PeerKey, frame: DecodedFrame<'toBroker'>): SessionOutput[] {
    if (!frame.ok) {
      this.counters.malformed++;
      this.refuse(peer, frame.failure);
      return this.take();
    }
    this.counters.unknownKinds += frame.unknown;
    if (frame.session === '') {
      // The last alone: a newer knock or hello replaces an older one, and a thousand in a frame cost what one costs.
      const message = frame.messages.at(-1);
      if (message?.kind === 'knock') this.onKnock(peer, message.versions);
      else if (message?.kind === 'hello') this.onHello(peer, message);
      return this.take();
    }
    const session = this.table.find(frame.session);
    if (session === undefined || session.peer !== peer) {
      this.counters[session === undefined ? 'unknownSession' : 'forgedSession']++;
      this.reply(peer, { kind: 'helloAgain' });
      return this.take();
    }
    session.heardAt = this.watch;
    // Kinds of a newer peer, which may have cost it credit: stepped over is answered.
    session.credit.receive(frame.unknown);
    if (frame.unknown > 0) this.settle(session, frame.unknown);
    this.pass(session, frame.messages as readonly ToBroker[]);
    return this.take();
  }

  /** `count` messages of the session need no more room here. */
  answered(id: SessionId, count: number): SessionOutput[] {
    const session = this.table.find(id);
    if (session === undefined) return [];
    this.settle(session, count);
    return this.take();
  }

  /** To be called every `tickMs`. */
  tick(): SessionOutput[] {
    const { clock, timers } = this.options;
    const now = clock.mono();
    this.watch += Math.min(now - this.tickedAt, watchedTicks * timers.tickMs);
    this.tickedAt = now;
    for (const session of this.table.all()) {
      if (this.watch - session.heardAt <= timers.leaseMs + timers.graceMs) continue;
      this.counters.silent++;
      this.end(session, 'silent');
    }
    return this.take();
  }

  /** The peer did not read, or its connection is gone. */
  lost(peer: PeerKey, why: 'overflow' | 'gone'): SessionOutput[] {
    this.challenges.forget(peer);
    const session = this.table.at(peer);
    if (session) {
      this.counters[why]++;
      this.end(session, why);
    }
    return this.take();
  }

  /** Ends a session by the broker's will; the peer is told why. */
  close(id: SessionId, why: Failure): SessionOutput[] {
    const session = this.table.find(id);
    if (session) {
      this.counters.ended++;
      this.refuse(session.peer, why);
    }
    return this.take();
  }

  /** How many of the key there are. */
  countOf(key: string): number {
    return this.table.countOf(key);
  }

  /** Ends the key's sessions at once, and those of who acts for it; it must not be authorised any more. */
  revoke(key: string): SessionOutput[] {
    const principal = principalIdOf(key);
    for (const session of this.table.all()) {
      if (session.key !== key && session.principal !== principal) continue;
      this.counters.revoked++;
      this.refuse(session.peer, failure('rejected.forbidden', 'this key has been revoked'));
    }
    return this.take();
  }

  private onKnock(peer: PeerKey, versions: readonly number[]): void {
    const version = negotiate(versions);
    if (version === undefined) {
      this.counters.version++;
      this.refuse(
        peer,
        failure('rejected.version', `this broker speaks none of the versions ${versions.join(', ')}`),
      );
      return;
    }
    // It is starting over: what it was told in an older session it no longer listens to (E2).
    const older = this.table.at(peer);
    if (older) this.end(older, 'superseded');
    this.reply(peer, {
      kind: 'challenge',
      nonce: this.challenges.give(peer),
      grid: this.options.grid,
      version,
    });
  }

  private onHello(peer: PeerKey, hello: Hello): void {
    const nonce = this.challenges.take(peer, hello.nonce);
    const [reason, why] = nonce === undefined ? staleNonce : (this.judge(hello, nonce) ?? []);
    if (reason !== undefined && why !== undefined) {
      this.counters[reason]++;
      this.out.push({ kind: 'turnedAway', hello, failure: why });
      this.refuse(peer, why);
    } else if (nonce !== undefined) {
      this.challenges.opened(soleOf(hello), nonce);
      this.open(peer, hello);
    }
  }

  private judge(hello: Hello, nonce: number): Verdict | undefined {
    const { grid, authorized } = this.options;
    const doubt = disbelief(hello, grid, authorized);
    if (doubt) return doubt;
    const sole = soleOf(hello);
    if (this.challenges.isOvertaken(sole, nonce)) {
      const words = 'a newer connection of the same peer has said hello since this nonce was given';
      return ['overtakenHello', failure('rejected.state', words)];
    }
    const holder = this.table.holding(sole);
    if (holder === undefined && this.table.size >= limits.sessions) {
      return ['tooManySessions', failure('rejected.limit', `there are ${limits.sessions} sessions already`)];
    }
    if (holder === undefined && this.table.countOf(hello.key) >= limits.sessionsPerKey) {
      const words = `this key has ${limits.sessionsPerKey} sessions already`;
      return ['tooManySessions', failure('rejected.limit', words)];
    }
    return undefined;
  }

  private open(peer: PeerKey, hello: Hello): void {
    const { key, role } = hello;
    const sole = soleOf(hello);
    for (const older of new Set([this.table.holding(sole), this.table.at(peer)])) {
      if (older === undefined) continue;
      this.counters.superseded++;
      this.end(older, 'superseded');
    }
    const id = this.options.random.bytes(sessionIdBytes).toString('base64url') as SessionId;
    const principal = principalOf(hello);
    const credit = new CreditAccount();
    const session = {
      id,
      peer,
      key,
      principal,
      sole,
      credit,
      heardAt: this.watch,
    };
    this.table.add(session);
    this.counters.opened++;
    const { epoch, timers } = this.options;
    const told = { session: id, epoch, timers, credit: credit.granted, principal, wallMs: this.wallMs() };
    this.reply(peer, { kind: 'welcome', ...told });
    const worker = role === 'worker' ? workerIdOf(key) : null;
    this.out.push({ kind: 'opened', session: id, peer, key, principal, role, worker, hello: hello.peer });
  }

  private pass(session: Session, messages: readonly ToBroker[]): void {
    const passed: PassedOn[] = [];
    let bye = false;
    let charged = 0;
    // Heartbeats are free of credit: of those in one frame the newest counts, and is answered for all (E4).
    const newest = messages.findLast(({ kind }) => kind === 'heartbeat');
    for (const message of messages) {
      if (message.kind === 'bye') bye = true;
      else if (message.kind === 'heartbeat') {
        if (message === newest) passed.push(message);
      } else if (message.kind !== 'credit') {
        charged++;
        passed.push(message);
      }
    }
    if (!session.credit.receive(charged)) {
      this.counters.overCredit++;
      const { received, granted } = session.credit;
      this.refuse(
        session.peer,
        failure('rejected.limit', `sent ${received} messages, ${granted} are allowed`),
      );
      return;
    }
    if (passed.length > 0) this.out.push({ kind: 'messages', session: session.id, messages: passed });
    if (!bye) return;
    this.counters.ended++;
    this.end(session, 'bye');
  }

  private settle(session: Session, answered: number): void {
    const total = session.credit.answer(answered);
    if (total === undefined) return;
    const message: Message = { kind: 'credit', total };
    this.out.push({ kind: 'reply', peer: session.peer, session: session.id, message });
  }

  /** Says why, and ends the session that the peer may have. */
  private refuse(peer: PeerKey, why: Failure): void {
    this.reply(peer, { kind: 'refusal', failure: why });
    const session = this.table.at(peer);
    if (session) this.end(session, why.message);
  }

  private end(session: Session, reason: string): void {
    this.table.remove(session);
    const { id, peer, key } = session;
    this.out.push({ kind: 'closed', session: id, peer, key, reason });
  }

  private reply(peer: PeerKey, message: Message): void {
    this.out.push({ kind: 'reply', peer, session: '', message });
  }

  private take(): SessionOutput[] {
    const { out } = this;
    if (out.length === 0) return nothing;
    this.out = [];
    return out;
  }
}

/** The commonest answer; made once. */
const nothing: SessionOutput[] = [];

type Verdict = readonly [reason: keyof Sessions['counters'], why: Failure];

const staleNonce: Verdict = [
  'replayedHello',
  failure('rejected.state', 'this nonce is not good (any more): knock again'),
];
