/**
 * A peer's way to its broker: finds one, says hello, keeps the session, finds the next. Client and worker alike.
 *
 *   connecting ─challenge→ greeting ─welcome→ open        knock is out │ hello is out │ the session lives
 *        ↑                     │                │
 *        └──── backoff ────────┴────────────────┘         no answer, silence, a refusal that may pass
 *
 * 1. Composing a hello ends the older session here: nothing received later for it counts (E2).
 * 2. A message leaves only in the open session and within its credit (E3); what exceeds it waits here, bounded, and
 *    `send` says when that is full. The end of a session drops what waits: the owner repeats what was not answered.
 * 3. Silence counts only while this process was watching: a pause of ours is not the broker's death.
 * 4. A refusal that no further try can change is reported once and ends the tries.
 * 5. Waits between tries grow until a session has lived to its first heartbeat's answer: a peer that is closed as soon
 *    as it is in must not come back ten times a second.
 */
import {
  type Challenge,
  type DirectionMessages,
  decodeFrame,
  type Failure,
  failure,
  type PeerHello,
  type ToBroker,
  type ToClient,
  type ToWorker,
  type Welcome,
} from '@gryphgen/protocol';
import { Backoff } from './backoff.ts';
import { BrokerRound, type Follower } from './broker-round.ts';
import type { Alarms, Cancel, Clock } from './clock.ts';
import { CreditGate } from './credit-gate.ts';
import { type BrokerAddress, type BrokerConnection, type DealerEvents, dialBroker } from './dealer.ts';
import { composeHello, type Introduction, isFinal, knock, lost } from './link-handshake.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/** To each step of the handshake. */
const answerMs = 2000;
const reconnect = { baseMs: 100, ceilingMs: 10_000 };
/** Silence is looked at this many times within `leaseMs`. */
const looksPerLease = 8;

export type LinkState = 'idle' | 'connecting' | 'greeting' | 'open' | 'waiting' | 'refused';

export interface LinkOptions<D extends 'toClient' | 'toWorker'> extends Introduction {
  /** Tried in turn. */
  readonly brokers: readonly BrokerAddress[];
  /** Absent: these brokers, whatever they become. */
  readonly follower?: Follower;
  readonly direction: D;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  /** Opens a connection; a DEALER unless a simulation has other ways. */
  readonly dial?: (broker: BrokerAddress, events: DealerEvents) => BrokerConnection;
}

export interface LinkOwner<D extends 'toClient' | 'toWorker'> {
  /** What this peer is, now. From here on nothing of an older session arrives. */
  hello(): PeerHello;
  onOpen(welcome: Welcome): void;
  /** Bytes in `message` are views of a frame that is valid during the call only. */
  onMessage(message: D extends 'toClient' ? ToClient : ToWorker): void;
  /** The link goes on trying. */
  onClosed(reason: string): void;
  /** The link has given up. */
  onRefused(failure: Failure): void;
  /**
   * The door does not know this key, for the `times`th time with nothing else between. The link goes on trying, for a
   * machine may be let in again: an owner that somebody waits for may stop it.
   */
  onTurnedAway?(failure: Failure, times: number): void;
}

export class Link<D extends 'toClient' | 'toWorker'> {
  readonly counters = { frames: 0, malformed: 0, stale: 0, unknown: 0, sessions: 0 };
  private readonly options: LinkOptions<D>;
  private readonly owner: LinkOwner<D>;
  private readonly backoff: Backoff;
  private current: LinkState = 'idle';
  private dealer: BrokerConnection | undefined;
  private readonly closing = new Set<Promise<void>>();
  private readonly round: BrokerRound;
  broker: BrokerAddress | undefined;
  /** Where something hung up since there was a session last: it has not proved the broker's key. */
  hungUpAt: string | undefined;
  private lastTrouble: Failure | undefined;
  private turnedAway = 0;
  private session = '';
  private readonly credit = new CreditGate(
    (message) => this.dealer?.send(this.session, message) === 'queued',
  );
  private silentMs = 0;
  private cancelAlarm: Cancel = () => undefined;

  constructor(options: LinkOptions<D>, owner: LinkOwner<D>) {
    this.options = options;
    this.round = new BrokerRound(options.brokers, options.follower);
    this.owner = owner;
    this.backoff = new Backoff(options.random, reconnect);
  }

  get state(): LinkState {
    return this.current;
  }

  /** Why there is no session now, as far as known. */
  get trouble(): Failure | undefined {
    return this.current === 'open' ? undefined : this.lastTrouble;
  }

  start(): void {
    if (this.current === 'idle' || this.current === 'refused') this.connect();
  }

  /** Says goodbye and closes. Resolves when no socket is left. */
  async stop(): Promise<void> {
    this.cancelAlarm();
    if (this.current === 'open') this.dealer?.send(this.session, { kind: 'bye' });
    this.current = 'idle';
    this.session = '';
    this.closeDealer();
    await Promise.all([...this.closing, this.round.settled()]);
  }

  /** False: not in session, too large for a frame, or so much waits that no more is taken. Never throws. */
  send(message: ToBroker): boolean {
    return this.current === 'open' && this.credit.send(message);
  }

  private connect(): void {
    const broker = this.round.take();
    this.broker = broker;
    const events: DealerEvents = {
      onFrame: (frame) => this.onFrame(dealer, frame),
      onTurnedAway: () => this.onTurnedAway(broker),
      onHungUp: () => {
        this.hungUpAt = broker.endpoint;
      },
      onBroken: (error) => this.retry(lost(`the connection failed: ${String(error)}`)),
    };
    const { dial, identity, alarms } = this.options;
    const dealer = dial?.(broker, events) ?? dialBroker(broker, identity.curve, alarms, events);
    this.dealer = dealer;
    this.knock();
  }

  private knock(): void {
    this.current = 'connecting';
    this.dealer?.drop();
    this.dealer?.send('', knock);
    const { broker } = this;
    this.alarm(answerMs, () => {
      if (broker !== undefined) this.round.seek(broker);
      this.retry(lost(`${broker?.endpoint} does not answer`));
    });
  }

  private onTurnedAway({ endpoint }: BrokerAddress): void {
    const times = this.turnedAway + 1;
    const why = failure('rejected.forbidden', `${endpoint} does not know this machine's key`);
    this.retry(why);
    this.turnedAway = times;
    this.owner.onTurnedAway?.(why, times);
  }

  private onFrame(dealer: BrokerConnection, frame: Buffer): void {
    if (dealer !== this.dealer) return;
    const decoded = decodeFrame<'toClient' | 'toWorker'>(frame, this.options.direction);
    this.counters.frames++;
    if (!decoded.ok) {
      this.counters.malformed++;
      this.options.log.warn({ failure: decoded.failure }, 'a frame from the broker made no sense');
      return;
    }
    this.counters.unknown += decoded.unknown;
    if (decoded.session !== '' && decoded.session !== this.session) {
      this.counters.stale++;
      return;
    }
    this.silentMs = 0;
    for (const message of decoded.messages) {
      // The owner may have stopped the link, or a message ended the session, in the middle of the frame.
      if (dealer !== this.dealer || (decoded.session !== '' && decoded.session !== this.session)) return;
      this.onMessage(message);
    }
  }

  private onMessage(message: DirectionMessages['toClient'] | DirectionMessages['toWorker']): void {
    switch (message.kind) {
      case 'challenge':
        this.onChallenge(message);
        break;
      case 'welcome':
        this.onWelcome(message);
        break;
      case 'refusal':
        this.onRefusal(message.failure);
        break;
      case 'helloAgain':
        this.onHelloAgain();
        break;
      case 'credit':
        this.credit.grant(message.total);
        break;
      case 'heartbeatAck':
        this.backoff.reset();
        this.pass(message);
        break;
      case 'bye':
        this.retry(lost('the broker says goodbye'));
        break;
      case 'voucher':
        this.round.learn(message.voucher, this.broker, (why) => this.retry(lost(why)));
        break;
      default:
        this.pass(message);
    }
  }

  private pass(message: DirectionMessages['toClient'] | DirectionMessages['toWorker']): void {
    // decodeFrame lets pass what is of this link's direction.
    this.owner.onMessage(message as Parameters<LinkOwner<D>['onMessage']>[0]);
  }

  /** Only the first counts: every frame that was under way is answered like this. */
  private onHelloAgain(): void {
    if (this.current !== 'open') return;
    this.endSession('the broker asks for a new hello');
    // The owner may have stopped the link when it heard.
    if (this.current === 'open') this.knock();
  }

  private onChallenge(challenge: Challenge): void {
    if (this.current !== 'connecting') return;
    const { grid } = this.options;
    if (challenge.grid !== grid) {
      this.retry(failure('rejected.state', `this broker belongs to grid ${challenge.grid}, not ${grid}`));
      return;
    }
    this.current = 'greeting';
    this.dealer?.send('', composeHello(this.options, challenge, this.owner.hello()));
    this.alarm(answerMs, () => this.retry(lost('no answer to hello')));
  }

  private onWelcome(welcome: Welcome): void {
    if (this.current !== 'greeting') return;
    this.current = 'open';
    this.session = welcome.session;
    this.credit.reset(welcome.credit);
    this.lastTrouble = undefined;
    this.hungUpAt = undefined;
    this.turnedAway = 0;
    this.counters.sessions++;
    this.watch(welcome.timers.leaseMs / looksPerLease, welcome.timers.leaseMs);
    this.owner.onOpen(welcome);
  }

  private onRefusal(why: Failure): void {
    if (this.current === 'open' || !isFinal(why)) {
      this.retry(why);
      return;
    }
    this.cancelAlarm();
    this.closeDealer();
    this.current = 'refused';
    this.lastTrouble = why;
    this.owner.onRefused(why);
  }

  private watch(everyMs: number, leaseMs: number): void {
    const { clock } = this.options;
    this.silentMs = 0;
    let lookedAt = clock.mono();
    const look = (): void => {
      const now = clock.mono();
      this.silentMs += Math.min(now - lookedAt, 2 * everyMs);
      lookedAt = now;
      if (this.silentMs >= leaseMs) this.retry(lost('the broker has fallen silent'));
      else this.alarm(everyMs, look);
    };
    this.alarm(everyMs, look);
  }

  private endSession(reason: string): void {
    this.session = '';
    this.credit.reset(0);
    this.cancelAlarm();
    this.options.log.info({ reason }, 'session ended');
    this.owner.onClosed(reason);
  }

  private retry(why: Failure): void {
    this.lastTrouble = why;
    this.turnedAway = 0;
    const wasOpen = this.current === 'open';
    this.current = 'waiting';
    this.closeDealer();
    if (wasOpen) this.endSession(why.message);
    // The owner may have stopped the link when it heard.
    if (this.current !== 'waiting') return;
    const waitMs = this.backoff.nextMs();
    this.options.log.debug({ failure: why, waitMs }, 'trying again');
    this.alarm(waitMs, () => this.connect());
  }

  private closeDealer(): void {
    if (!this.dealer) return;
    const closed = this.dealer.close().finally(() => this.closing.delete(closed));
    this.closing.add(closed);
    this.dealer = undefined;
  }

  private alarm(ms: number, run: () => void): void {
    this.cancelAlarm();
    this.cancelAlarm = this.options.alarms.after(ms, run);
  }
}
