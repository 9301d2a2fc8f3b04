/**
 * The broker in the simulation: the real core, sessions, committer, performer and recovery around a simulated network,
 * clock and disk. What broker.ts does with sockets and timers is done here with packets and simulated time.
 *
 * 1. The order is that of the real shell: step and perform message by message; at the end of a turn place, then commit.
 * 2. It may be crashed or paused between any two effects.
 */
import {
  type BrokerEffect,
  BrokerEngine,
  type BrokerEvent,
  type BrokerState,
  Committer,
  Performer,
  recover,
  type SessionOutput,
  Sessions,
  SpecStore,
} from '@gryphgen/broker';
import { defaultTimers, type Message } from '@gryphgen/protocol';
import type { Alarms, AuthorizedKey, Log, PeerKey } from '@gryphgen/runtime';
import { describe, describeDecision } from './message-line.ts';
import { compareReplay } from './replay-check.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import type { SimDisk } from './sim-disk.ts';
import { openSimJournal } from './sim-journal.ts';
import type { Packet } from './sim-network.ts';
import { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

export interface BrokerWitness {
  /** After every step; `wall` is the broker's. */
  stepped(state: BrokerState, event: BrokerEvent, wall: number): void;
  recovered(state: BrokerState): void;
  /** A message leaves for a peer. */
  sent(message: Message, connection: string, session: string): void;
}

export interface BrokerParts {
  readonly world: World;
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly disk: SimDisk;
  readonly grid: string;
  readonly authorized: ReadonlyMap<string, AuthorizedKey>;
  readonly transmit: (packet: Packet) => void;
  readonly witness: BrokerWitness;
  /** The core or the shell threw, or the journal is lost: a real process would end here. */
  readonly onFatal: (error: unknown) => void;
}

interface Running {
  readonly engine: BrokerEngine;
  readonly sessions: Sessions;
  readonly committer: Committer;
  readonly performer: Performer;
  readonly specs: SpecStore;
  /** Whether the disk holds every decision taken. */
  readonly durable: () => boolean;
}

export class SimBroker extends SimNode {
  private readonly parts: BrokerParts;
  private running: Running | null = null;

  constructor(parts: BrokerParts) {
    super('broker', parts.world, parts.clock, parts.random.split('turns'));
    this.parts = parts;
  }

  get state(): BrokerState | null {
    return this.running?.engine.state ?? null;
  }

  override start(): void {
    super.start();
    const { life } = this;
    const alarms = this.alarms();
    const opened = openSimJournal(this.parts.disk, alarms, (promise) => this.world.settle(promise));
    const recovered = recover(opened, defaultTimers).then(({ state, journal, replayedGroups }) => {
      if (this.life !== life) return;
      this.note(`up in epoch ${state.epoch}, ${replayedGroups} groups replayed, ${state.tasks.size} live`);
      state.lastMono = this.now.mono;
      this.parts.witness.recovered(state);
      this.running = this.build(state, journal, alarms);
      this.tick();
    });
    this.world.settle(recovered.catch((error: unknown) => this.parts.onFatal(error)));
  }

  override crash(): void {
    super.crash();
    this.running = null;
  }

  receive({ connection, session, message }: Packet): void {
    this.enqueue(() => {
      if (this.running === null) return;
      this.note(`← ${connection} ${describe(message)}`);
      const frame = { ok: true, session, messages: [message as never], unknown: 0 } as const;
      this.output(this.running.sessions.receive(connection as PeerKey, frame));
    });
  }

  /** The connection is known to be gone. */
  gone(connection: string): void {
    this.enqueue(() => this.output(this.running?.sessions.lost(connection as PeerKey, 'gone') ?? []));
  }

  /** Rebuilds the state from the disk and holds it against the one that was never down, if all of that is durable. */
  checkReplay(): void {
    const { running } = this;
    if (running === null || running.durable() === false) return;
    this.world.settle(
      compareReplay(this.parts.disk, running.engine.state).catch((error: unknown) =>
        this.parts.onFatal(error),
      ),
    );
  }

  protected override onTurnEnd(): void {
    const { running } = this;
    if (running === null) return;
    if (running.engine.state.wake) this.step({ kind: 'schedule' });
    if (!this.busy) running.committer.pump();
  }

  private build(
    state: BrokerState,
    journal: ConstructorParameters<typeof Committer>[1],
    alarms: Alarms,
  ): Running {
    const { grid, random, authorized } = this.parts;
    const specs = new SpecStore();
    let decided = 0;
    const seqBefore = journal.head().seq;
    const engine = new BrokerEngine(state, ({ decision }) => {
      decided += 1;
      this.world.trace.detail('broker', () => `decides ${describeDecision(decision)}`);
      this.running?.committer.note(decision);
    });
    const sessions = new Sessions({
      grid,
      epoch: state.epoch,
      timers: state.timers,
      clock: { mono: () => this.now.mono, wall: () => this.now.wall },
      random: randomOf(random.split(`epoch ${state.epoch}`)),
      authorized: { find: (key) => authorized.get(key) },
    });
    const performer = new Performer({
      journal,
      specs,
      log: { ...silentLog, error: ({ err }: { err: unknown }) => this.parts.onFatal(err) } as unknown as Log,
      peerOf: (session) => sessions.peerOf(session),
      queue: (peer, session, message) => this.queue(peer, session, message),
      close: (session, why) => this.output(sessions.close(session, why)),
      answered: (session) => this.output(sessions.answered(session, 1)),
      grantLog: () => 'grant',
      shellStatus: () => ({}) as never,
      findWorker: () => undefined,
    });
    const { life } = this;
    // Told in a promise's continuation; what follows is an event of its own.
    const later = (job: () => void): void => this.world.after(0, () => this.life === life && job());
    const committer = new Committer(engine.pipeline, journal, specs, alarms, {
      onDurable: (effects) => later(() => this.enqueue(() => this.performAll(effects))),
      onStalled: (stalled) => later(() => this.enqueue(() => this.step({ kind: 'journalStalled', stalled }))),
      onFatal: (error) => later(() => this.parts.onFatal(error)),
    });
    const durable = (): boolean =>
      decided === committer.counters.decisions &&
      journal.head().seq === seqBefore + committer.counters.groups;
    return { engine, sessions, committer, performer, specs, durable };
  }

  private output(outputs: readonly SessionOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'reply':
          this.queue(output.peer, output.session, output.message);
          break;
        case 'opened': {
          const { session, principal, role, worker, hello: peer } = output;
          this.step({ kind: 'sessionOpened', session, principal, role, worker, peer });
          break;
        }
        case 'closed':
          this.step({ kind: 'sessionClosed', session: output.session });
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
    const { running } = this;
    if (running === null) return;
    let answered = 0;
    for (const message of messages) {
      if (message.kind === 'submit') {
        const { seq, floor, key, envelope, body } = message;
        this.step({ kind: 'submit', session, seq, floor, key, spec: running.specs.read(envelope, body) });
      } else {
        if (message.kind !== 'heartbeat') answered += 1;
        this.step({ kind: 'message', session, message });
      }
    }
    if (answered > 0) this.output(running.sessions.answered(session, answered));
  }

  private step(event: BrokerEvent): void {
    const { running } = this;
    if (running === null) return;
    const { now } = this;
    const effects = running.engine.step(event, now);
    this.parts.witness.stepped(running.engine.state, event, now.wall);
    this.performAll(effects);
  }

  private performAll(effects: readonly BrokerEffect[]): void {
    this.perform(effects, (effect) => this.running?.performer.perform([effect]));
  }

  private tick(): void {
    const { running } = this;
    if (running === null) return;
    this.timer(running.engine.state.timers.tickMs, () => {
      this.output(running.sessions.tick());
      this.step({ kind: 'tick' });
      this.tick();
    });
  }

  private queue(peer: PeerKey, session: string, message: Message): 'queued' {
    this.note(`→ ${peer} ${describe(message)}`);
    this.parts.witness.sent(message, peer, session);
    const name = peer.slice(0, peer.indexOf('#'));
    this.parts.transmit({ peer: name, connection: peer, direction: 'fromBroker', session, message });
    return 'queued';
  }

  private alarms(): Alarms {
    const { life } = this;
    return {
      after: (ms, run) => {
        let cancelled = false;
        this.world.after(ms, () => {
          if (this.life !== life) return;
          this.enqueue(() => {
            if (!cancelled) run();
            this.world.settle(Promise.resolve());
          });
        });
        return () => {
          cancelled = true;
        };
      },
    };
  }
}

const ignore = (): void => undefined;
const silentLog = { debug: ignore, info: ignore, warn: ignore };

function randomOf(random: SeededRandom) {
  return { bytes: (count: number) => Buffer.from(random.hex(2 * count), 'hex'), number: () => random.next() };
}
