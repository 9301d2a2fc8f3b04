/**
 * The network between peers and broker: packets that arrive late, twice, in another order, or never.
 *
 * 1. A connection (`w1#3`) keeps order and loses nothing while no fault is set, as ZeroMQ does; a fault on its peer's
 *    way, in one direction or both, may do anything but change a packet.
 * 2. What is on its way to a process that crashes, or to a connection that is gone, never arrives.
 */
import type { Message } from '@gryphgen/protocol';
import type { SeededRandom } from './seeded-random.ts';
import type { World } from './world.ts';

export type Direction = 'toBroker' | 'fromBroker';

/** Chances for each packet; `slowMs` is the longest extra delay of one that is delayed. */
export interface LinkFault {
  readonly drop: number;
  readonly duplicate: number;
  readonly delay: number;
  readonly slowMs: number;
  readonly reorder: number;
}

/** `lose`: packets vanish. `hold`: they arrive when it heals, as TCP's retransmissions do. */
export type PartitionKind = 'lose' | 'hold';

/** What may befall one packet. `reorder`: those sent after it overtake it. `partition`: its way is cut off first. */
export type Mishap = 'drop' | 'duplicate' | 'delay' | 'reorder' | 'partition' | 'cut' | 'crash';

export interface Ambush {
  readonly mishap: Mishap;
  /** Called for the packet, for what the network itself cannot do. */
  readonly strike: (packet: Packet) => void;
}

export interface Packet {
  readonly peer: string;
  readonly connection: string;
  readonly direction: Direction;
  readonly session: string;
  /** What the frame says, for whoever looks on; its receiver decodes the frame. */
  readonly messages: readonly Message[];
  readonly frame: Buffer;
}

interface Way {
  fault: LinkFault | null;
  partition: PartitionKind | null;
  heldBack: Packet[];
  lastArrival: number;
}

/** Somebody with a connection and no session. */
const stranger = 'stranger';
/** Packets a partitioned way holds back: a full socket buffer. */
const heldBackLimit = 1000;

export class SimNetwork {
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly baseMs: number;
  private readonly deliver: (packet: Packet) => void;
  private readonly ways = new Map<string, Way>();
  private readonly flying = new Set<Packet>();
  private readonly ambushes = new Map<string, Ambush>();
  private toForge = 0;
  private forged = 0;

  constructor(world: World, random: SeededRandom, deliver: (packet: Packet) => void) {
    this.world = world;
    this.random = random;
    this.baseMs = random.pick([0.1, 0.3, 1, 3, 20]);
    this.deliver = deliver;
  }

  /** Lies in wait for the next message of this kind. */
  lieInWait(kind: string, ambush: Ambush): void {
    this.ambushes.set(kind, ambush);
  }

  endAmbushes(): void {
    this.ambushes.clear();
  }

  /** A stranger repeats the next `count` frames that reach for the broker, session and all, from its own connection. */
  forge(count: number): void {
    this.toForge = count;
  }

  send(packet: Packet): void {
    if (packet.peer === stranger) {
      for (const { kind } of packet.messages) this.world.coverage.reached(`a stranger is told: ${kind}`);
      return;
    }
    if (this.toForge > 0 && packet.direction === 'toBroker' && packet.session !== '') {
      this.toForge -= 1;
      this.forged += 1;
      const connection = `${stranger}#${this.forged}`;
      this.fly({ ...packet, peer: stranger, connection }, this.world.now + this.random.between(0, 50));
    }
    for (const { kind } of packet.messages) {
      const ambush = this.ambushes.get(kind);
      if (ambush === undefined) continue;
      this.ambushes.delete(kind);
      this.befall(packet, ambush);
      return;
    }
    this.dispatch(packet);
  }

  private befall(packet: Packet, { mishap, strike }: Ambush): void {
    const way = this.way(packet.peer, packet.direction);
    switch (mishap) {
      case 'partition':
        strike(packet);
        this.dispatch(packet);
        return;
      case 'cut':
      case 'crash':
        this.dispatch(packet);
        strike(packet);
        return;
      case 'drop':
        this.met(packet, mishap);
        return;
      case 'duplicate':
        this.met(packet, mishap);
        this.launch(way, packet, false);
        this.launch(way, { ...packet }, true);
        return;
      case 'delay':
      case 'reorder':
        this.met(packet, mishap);
        this.fly(packet, this.world.now + this.random.between(1, 6000));
        return;
      default:
        mishap satisfies never;
    }
  }

  private dispatch(packet: Packet): void {
    const way = this.way(packet.peer, packet.direction);
    if (way.partition !== null) {
      this.met(packet, 'partition');
      if (way.partition === 'hold' && way.heldBack.length < heldBackLimit) way.heldBack.push(packet);
      return;
    }
    const { fault } = way;
    if (fault !== null && this.random.chance(fault.drop)) {
      this.met(packet, 'drop');
      return;
    }
    this.launch(way, packet, false);
    if (fault !== null && this.random.chance(fault.duplicate)) {
      this.met(packet, 'duplicate');
      this.launch(way, { ...packet }, true);
    }
  }

  setFault(peer: string, direction: Direction, fault: LinkFault | null): void {
    this.way(peer, direction).fault = fault;
  }

  partition(peer: string, direction: Direction, kind: PartitionKind | null): void {
    const way = this.way(peer, direction);
    way.partition = kind;
    if (kind !== null) return;
    const held = way.heldBack;
    way.heldBack = [];
    for (const packet of held) this.launch(way, packet, false);
  }

  /** Forgets what is on its way to a process or connection that has just died. */
  lose(isLost: (packet: Packet) => boolean, why: 'crash' | 'cut'): void {
    for (const packet of this.flying) {
      if (!isLost(packet)) continue;
      this.met(packet, why);
      this.flying.delete(packet);
    }
    for (const way of this.ways.values()) way.heldBack = way.heldBack.filter((packet) => !isLost(packet));
  }

  private launch(way: Way, packet: Packet, twin: boolean): void {
    const { random, world } = this;
    const { fault } = way;
    let arrival = world.now + this.baseMs * random.between(0.5, 1.5);
    if (fault !== null && random.chance(fault.delay)) {
      this.met(packet, 'delay');
      arrival += random.between(0, fault.slowMs);
    }
    if (twin) arrival += random.chance(0.5) ? random.exponential(20) : random.exponential(4000);
    const mayOvertake = twin || (fault !== null && random.chance(fault.reorder));
    if (!mayOvertake) arrival = Math.max(arrival, way.lastArrival);
    if (arrival < way.lastArrival) this.met(packet, 'reorder');
    way.lastArrival = Math.max(way.lastArrival, twin ? 0 : arrival);
    this.fly(packet, arrival);
  }

  private fly(packet: Packet, arrival: number): void {
    this.flying.add(packet);
    this.world.at(arrival, () => {
      if (this.flying.delete(packet)) this.deliver(packet);
    });
  }

  private met(packet: Packet, fault: string): void {
    const { connection, direction, messages } = packet;
    for (const { kind } of messages) this.world.coverage.reached(`${kind} × ${fault}`);
    const kinds = messages.map(({ kind }) => kind).join(' + ');
    this.world.trace.note('network', `${fault} ${connection} ${direction} ${kinds}`);
  }

  private way(peer: string, direction: Direction): Way {
    const name = `${peer} ${direction}`;
    let way = this.ways.get(name);
    if (way === undefined) {
      way = { fault: null, partition: null, heldBack: [], lastArrival: 0 };
      this.ways.set(name, way);
    }
    return way;
  }
}
