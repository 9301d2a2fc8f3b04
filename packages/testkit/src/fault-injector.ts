/** Does to the grid what the fault plan says, undoes it in time, and at the end undoes all that is left. */
import type { Fault } from './fault-plan.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimGrid } from './sim-grid.ts';
import type { Direction, Mishap, Packet } from './sim-network.ts';
import type { SimNode } from './sim-node.ts';

/** A blow armed for a boundary between effects strikes after this long in any case. */
const armedMs = 1000;

const powerLossWords = {
  idle: 'nothing was being written',
  whole: 'the group being written is on disk',
  torn: 'a part of the group being written is on disk',
  lost: 'nothing of the group being written is on disk',
} as const;

export class FaultInjector {
  private readonly grid: SimGrid;
  private readonly random: SeededRandom;
  private readonly down = new Set<SimNode>();
  private healing = false;

  constructor(grid: SimGrid, random: SeededRandom) {
    this.grid = grid;
    this.random = random;
  }

  get allHealed(): boolean {
    return this.healing && this.grid.nodes().every(({ up, paused }) => up && !paused);
  }

  begin(fault: Fault): void {
    if (this.healing) return;
    const { grid } = this;
    const { world } = grid;
    world.trace.note('FAULT', JSON.stringify(fault));
    switch (fault.kind) {
      case 'crash':
        this.arm(fault.node, fault.boundaries, (node) => this.crash(node, fault.downMs, fault.lateLease));
        break;
      case 'pause':
        this.arm(fault.node, fault.boundaries, (node) => this.pause(node, fault.forMs));
        break;
      case 'wallJump':
        this.node(fault.node)?.clock.jumpWall(fault.byMs);
        break;
      case 'link':
        for (const way of directions(fault.ways)) grid.network.setFault(fault.peer, way, fault.fault);
        world.after(fault.forMs, () => this.clearLink(fault.peer));
        break;
      case 'partition':
        for (const way of directions(fault.ways)) grid.network.partition(fault.peer, way, fault.mode);
        world.after(fault.forMs, () => this.clearPartition(fault.peer));
        break;
      case 'cut':
        this.cut(fault.peer);
        break;
      case 'disk':
        grid.disk.fault = fault.fault;
        world.after(fault.forMs, () => {
          grid.disk.fault = null;
        });
        break;
      case 'ambush':
        if (fault.message === 'refusal') this.provokeRefusal();
        grid.network.lieInWait(fault.message, {
          mishap: fault.mishap,
          strike: (packet) => this.befall(fault.mishap, packet, fault.forMs),
        });
        break;
      case 'forge':
        grid.network.forge(fault.frames);
        break;
      case 'compact':
        grid.disk.compact();
        break;
      default:
        fault satisfies never;
    }
  }

  healAll(): void {
    this.healing = true;
    const { grid } = this;
    grid.disk.fault = null;
    grid.network.endAmbushes();
    for (const { name } of [...grid.workers, ...grid.clients]) {
      this.clearLink(name);
      this.clearPartition(name);
    }
    for (const node of grid.nodes()) {
      node.arm(Number.POSITIVE_INFINITY, () => undefined);
      if (node.paused) this.resume(node);
      if (!node.up) this.start(node);
    }
  }

  /** The journal told the broker that nothing more can be written: it ends, and is started again by its supervisor. */
  diskDied(): void {
    this.crash(this.grid.broker, this.random.between(100, 3000));
  }

  /** What befalls a message beyond the network's own doing. */
  private befall(mishap: Mishap, { peer, direction }: Packet, forMs: number): void {
    if (mishap === 'cut') this.cut(peer);
    else if (mishap === 'partition') {
      this.grid.network.partition(peer, direction, this.random.pick(['lose', 'hold'] as const));
      this.grid.world.after(forMs, () => this.clearPartition(peer));
    } else if (mishap === 'crash') {
      const victim = direction === 'toBroker' ? this.grid.broker : this.grid.peer(peer);
      // An event of its own: the message is on its way when its receiver dies.
      if (victim !== undefined)
        this.grid.world.after(0, () => this.crash(victim, this.random.between(10, 5000)));
    }
  }

  /** A hello that comes twice is refused the second time. */
  private provokeRefusal(): void {
    this.grid.network.lieInWait('hello', { mishap: 'duplicate', strike: () => undefined });
    this.cut(this.random.pick([...this.grid.workers, ...this.grid.clients]).name);
  }

  private arm(name: string, boundaries: number, strike: (node: SimNode) => void): void {
    const node = this.node(name);
    if (node === undefined) return;
    let struck = false;
    const once = (): void => {
      if (struck || this.healing || !node.up || node.paused) return;
      struck = true;
      strike(node);
    };
    node.arm(boundaries, once);
    this.grid.world.after(armedMs, once);
  }

  private crash(node: SimNode, downMs: number, lateLease = false): void {
    const { grid } = this;
    if (!node.up) return;
    node.note('CRASHES');
    if (node === grid.broker) {
      grid.observer.watched.watching(false);
      node.note(powerLossWords[grid.disk.powerLoss()]);
      grid.network.lose(() => true, 'crash');
    } else
      grid.network.lose((packet) => packet.peer === node.name && packet.direction === 'fromBroker', 'crash');
    node.crash();
    grid.callers.crashed(node.name);
    this.down.add(node);
    grid.world.after(downMs, () => {
      this.start(node);
      if (lateLease && !this.healing)
        grid.network.lieInWait('lease', { mishap: 'delay', strike: () => undefined });
    });
  }

  private start(node: SimNode): void {
    if (!this.down.delete(node)) return;
    node.note('STARTS');
    node.start();
    if (node === this.grid.broker) this.grid.observer.watched.watching(true);
  }

  private pause(node: SimNode, forMs: number): void {
    node.note(`IS STOPPED for ${Math.round(forMs)} ms`);
    node.pause();
    if (node === this.grid.broker) this.grid.observer.watched.watching(false);
    const { life } = node;
    this.grid.world.after(forMs, () => {
      if (node.life === life && node.paused) this.resume(node);
    });
  }

  private resume(node: SimNode): void {
    node.note('GOES ON');
    if (node === this.grid.broker) this.grid.observer.watched.watching(true);
    node.resume();
  }

  private cut(name: string): void {
    const peer = this.grid.peer(name);
    if (peer === undefined || !peer.up) return;
    const old = peer.connection;
    this.grid.network.lose((packet) => packet.connection === old, 'cut');
    peer.cut();
    if (this.random.chance(0.5)) this.grid.broker.gone(old);
  }

  private clearLink(peer: string): void {
    for (const way of directions('both')) this.grid.network.setFault(peer, way, null);
  }

  private clearPartition(peer: string): void {
    for (const way of directions('both')) this.grid.network.partition(peer, way, null);
  }

  private node(name: string): SimNode | undefined {
    return name === 'broker' ? this.grid.broker : this.grid.peer(name);
  }
}

function directions(ways: 'both' | Direction): readonly Direction[] {
  return ways === 'both' ? ['toBroker', 'fromBroker'] : [ways];
}
