/**
 * The broker in the simulation: its real loop around a simulated network, clock and disk. What broker.ts does with
 * sockets and files is done here with packets and simulated time.
 *
 * 1. It may be crashed or paused between any two effects.
 */
import { type BrokerEvent, BrokerLoop, type BrokerState, type Journal, recover } from '@gryphgen/broker';
import {
  decodeFrame,
  type Message,
  type PeerHello,
  type PrincipalId,
  type PrincipalLimitTable,
} from '@gryphgen/protocol';
import { type AuthorizedKey, type Log, type PeerKey, principalIdOf } from '@gryphgen/runtime';
import type { Sender } from './authority-check.ts';
import { describeDecision } from './message-line.ts';
import { judgementOf } from './policy-check.ts';
import { compareReplay } from './replay-check.ts';
import { randomPort, type SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import type { SimDisk } from './sim-disk.ts';
import { SimFailure } from './sim-failure.ts';
import { openSimJournal } from './sim-journal.ts';
import type { Packet } from './sim-network.ts';
import { type NodeSetting, SimNode } from './sim-node.ts';

export interface BrokerWitness {
  /**
   * After every step. `wall` is the broker's; `sender` is who sent the frame that is being taken up, null when a stranger
   * did, undefined when none is.
   */
  stepped(state: BrokerState, event: BrokerEvent, wall: number, sender: Sender | null | undefined): void;
  recovered(state: BrokerState): void;
  /** From now on the principal does nothing here. */
  revoked(principal: PrincipalId): void;
  /** A message leaves for a peer. */
  sent(message: Message, connection: string, session: string): void;
}

export interface BrokerParts extends NodeSetting {
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly disk: SimDisk;
  readonly grid: string;
  /** By key. Whose is revoked is taken out: as good as a disk. */
  readonly authorized: Map<string, AuthorizedKey>;
  readonly principalLimits: PrincipalLimitTable;
  readonly senderOf: (peer: string) => Sender | undefined;
  readonly witness: BrokerWitness;
  /** The core or the shell threw, or the journal is lost: a real process would end here. */
  readonly onFatal: (error: unknown) => void;
}

interface Running {
  readonly loop: BrokerLoop;
  /** Whether the disk holds every decision taken. */
  readonly durable: () => boolean;
}

export class SimBroker extends SimNode {
  private readonly parts: BrokerParts;
  private running: Running | null = null;
  private sender: Sender | null | undefined;
  /** As good as a disk. */
  private readonly revoked: PrincipalId[] = [];
  /** Who sent a request, or what a hello says of its peer, that waits for the end of its turn. */
  private readonly askers = new WeakMap<object, Sender>();

  constructor(parts: BrokerParts) {
    super('broker', parts, parts.clock, parts.random.split('turns'));
    this.parts = parts;
  }

  get state(): BrokerState | null {
    return this.running?.loop.engine.state ?? null;
  }

  override start(): void {
    super.start();
    const { life } = this;
    const { disk, witness, onFatal } = this.parts;
    const opened = openSimJournal(disk, this.alarms, (promise) => this.world.settle(promise));
    const recovered = recover(opened, { principalLimits: this.parts.principalLimits }).then(
      ({ state, journal, replayedGroups }) => {
        if (this.life !== life) return;
        this.note(`up in epoch ${state.epoch}, ${replayedGroups} groups replayed, ${state.tasks.size} live`);
        state.lastMono = this.now.mono;
        witness.recovered(state);
        this.running = this.build(state, journal);
        this.tick();
      },
    );
    this.world.settle(recovered.catch(onFatal));
  }

  override crash(): void {
    super.crash();
    this.running = null;
  }

  receive(packet: Packet): void {
    const { connection } = packet;
    this.takeFrame(packet, `${connection} `, (frame) => {
      this.sender = this.parts.senderOf(packet.peer) ?? null;
      this.running?.loop.receive(connection as PeerKey, decodeFrame(frame, 'toBroker'), frame.length);
      this.sender = undefined;
    });
  }

  /** The connection is known to be gone. */
  gone(connection: string): void {
    this.enqueue(() => this.running?.loop.lost(connection as PeerKey, 'gone'));
  }

  /** Rebuilds the state from the disk and holds it against the one that was never down, if all of that is durable. */
  checkReplay(): void {
    const { running } = this;
    if (running?.durable() !== true) return;
    this.world.settle(compareReplay(this.parts.disk, running.loop.engine.state).catch(this.parts.onFatal));
  }

  protected override onTurnEnd(): void {
    const { running } = this;
    if (running === null) return;
    running.loop.endTurn();
    if (!this.busy) running.loop.commit();
  }

  private build(state: BrokerState, journal: Journal): Running {
    const { grid, random, authorized, witness, onFatal } = this.parts;
    let decided = 0;
    const seqBefore = journal.head().seq;
    const { life } = this;
    // Told in a promise's continuation; what follows is an event of its own.
    const later = (work: () => void): void => this.world.after(0, () => this.life === life && work());
    const loop = new BrokerLoop({
      grid,
      state,
      journal,
      clock: this.clockPort,
      alarms: this.alarms,
      random: randomPort(random.split(`epoch ${journal.epoch}`)),
      authorized: { find: (key) => authorized.get(key), findPrincipal: () => undefined },
      log: logTo(onFatal),
      queue: (peer, session, message) => this.queue(peer, session, message),
      perform: (effects, one) => this.perform(effects, one),
      defer: (job) => later(() => this.enqueue(job)),
      stepped: (event, { wall }) => {
        const waited =
          event.kind === 'message' ? event.message : event.kind === 'sessionOpened' ? event.peer : undefined;
        const asker = waited && this.askers.get(waited);
        witness.stepped(state, event, wall, asker ?? this.sender);
      },
      waits: (message) => {
        if (this.sender) this.askers.set(message.kind === 'hello' ? message.peer : message, this.sender);
      },
      decided: (decision) => {
        decided += 1;
        this.world.trace.detail('broker', () => `decides ${describeDecision(decision)}`);
      },
      opened: (hello) => this.checkHead(journal, hello),
      seen: () => undefined,
      // Whoever runs the machine enrols it again at once: what a removal leaves behind is met again.
      revoke: () => this.answer(undefined),
      enrolment: ({ order }) => {
        if (order.op !== 'revokePrincipal') throw new Error(`nobody asks for ${order.op} here`);
        this.revoke(order.args.principal, loop);
        return this.answer({ revoked: order.args.principal });
      },
      voucher: () => '',
      revoked: () => this.revoked,
      voided: () => undefined,
      judge: ({ parts }) => this.answer(judgementOf(parts)),
      fsck: () => Promise.reject(new Error('there is no home to be checked')),
      grant: () => 'grant',
      beside: () => null,
      shellStatus: () => ({}) as never,
      onFatal: (error) => later(() => onFatal(error)),
    });
    const durable = (): boolean => {
      const { decisions, groups } = loop.committer.counters;
      return decided === decisions && journal.head().seq === seqBefore + groups;
    };
    return { loop, durable };
  }

  /** No worker has ever been shown a commit that the journal does not hold. */
  private checkHead(journal: Journal, hello: PeerHello): void {
    if (hello.kind !== 'worker' || hello.head === null) return;
    const { head, report } = hello;
    const checked = journal.checkWitness(head).then((verdict) => {
      if (verdict === 'known') return;
      const words = `${report.name} was shown commit ${head.seq}, which is ${verdict}`;
      this.parts.onFatal(new SimFailure('a witnessed commit is kept', words));
    });
    this.world.settle(checked);
  }

  /** A promise that simulated time waits for. */
  private answer<T>(value: T): Promise<T> {
    const answered = Promise.resolve(value);
    this.world.settle(answered);
    return answered;
  }

  private revoke(principal: PrincipalId, loop: BrokerLoop): void {
    const { authorized, witness } = this.parts;
    const key = [...authorized.keys()].find((one) => principalIdOf(one) === principal);
    if (key === undefined) return;
    authorized.delete(key);
    this.revoked.push(principal);
    loop.endSessions(key);
    witness.revoked(principal);
  }

  private tick(): void {
    const { running } = this;
    if (running === null) return;
    this.timer(running.loop.engine.state.timers.tickMs, () => {
      running.loop.tick();
      this.tick();
    });
  }

  private queue(connection: PeerKey, session: string, message: Message): 'queued' {
    this.parts.witness.sent(message, connection, session);
    const peer = connection.slice(0, connection.indexOf('#'));
    this.outgoing.put({ peer, connection, direction: 'fromBroker', session }, message);
    return 'queued';
  }
}

/** What the broker finds worth an error ends the run. */
function logTo(onFatal: (error: unknown) => void): Log {
  const ignore = (): void => undefined;
  const error = ({ err }: { err: unknown }): void => onFatal(err);
  return { debug: ignore, info: ignore, warn: ignore, error } as unknown as Log;
}
