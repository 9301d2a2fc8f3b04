/**
 * The broker in the simulation: its real loop and recovery around a simulated network, clock and disk. What broker.ts
 * does with sockets and timers is done here with packets and simulated time.
 *
 * 1. It may be crashed or paused between any two effects.
 */
import { type BrokerEvent, BrokerLoop, type BrokerState, type Journal, recover } from '@gryphgen/broker';
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
  readonly loop: BrokerLoop;
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
    return this.running?.loop.engine.state ?? null;
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
      this.running.loop.receive(connection as PeerKey, frame);
    });
  }

  /** The connection is known to be gone. */
  gone(connection: string): void {
    this.enqueue(() => this.running?.loop.lost(connection as PeerKey, 'gone'));
  }

  /** Rebuilds the state from the disk and holds it against the one that was never down, if all of that is durable. */
  checkReplay(): void {
    const { running } = this;
    if (running === null || running.durable() === false) return;
    this.world.settle(
      compareReplay(this.parts.disk, running.loop.engine.state).catch((error: unknown) =>
        this.parts.onFatal(error),
      ),
    );
  }

  protected override onTurnEnd(): void {
    const { running } = this;
    if (running === null) return;
    running.loop.place();
    if (!this.busy) running.loop.commit();
  }

  private build(state: BrokerState, journal: Journal, alarms: Alarms): Running {
    const { grid, random, authorized, onFatal } = this.parts;
    let decided = 0;
    const seqBefore = journal.head().seq;
    const { life } = this;
    // Told in a promise's continuation; what follows is an event of its own.
    const later = (job: () => void): void => this.world.after(0, () => this.life === life && job());
    const loop = new BrokerLoop({
      grid,
      state,
      journal,
      clock: { mono: () => this.now.mono, wall: () => this.now.wall },
      alarms,
      random: randomOf(random.split(`epoch ${state.epoch}`)),
      authorized: { find: (key) => authorized.get(key) },
      log: { ...silentLog, error: ({ err }: { err: unknown }) => onFatal(err) } as unknown as Log,
      queue: (peer, session, message) => this.queue(peer, session, message),
      perform: (effects, one) => this.perform(effects, one),
      defer: (job) => later(() => this.enqueue(job)),
      stepped: (event, { wall }) => this.parts.witness.stepped(state, event, wall),
      decided: (decision) => {
        decided += 1;
        this.world.trace.detail('broker', () => `decides ${describeDecision(decision)}`);
      },
      opened: () => undefined,
      grantLog: () => 'grant',
      shellStatus: () => ({}) as never,
      onFatal: (error) => later(() => onFatal(error)),
    });
    const { committer } = loop;
    const durable = (): boolean =>
      decided === committer.counters.decisions &&
      journal.head().seq === seqBefore + committer.counters.groups;
    return { loop, durable };
  }

  private tick(): void {
    const { running } = this;
    if (running === null) return;
    this.timer(running.loop.engine.state.timers.tickMs, () => {
      running.loop.tick();
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
