/** A client process in the simulation: the real core behind a simulated link; its callers are the workload. */
import {
  type ClientEffect,
  type ClientEvent,
  composeClientHello,
  createClientState,
  stepClient,
} from '@gryphgen/client';
import type { ClientId, Message, Role, ToClient } from '@gryphgen/protocol';
import { describe } from './message-line.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import { type LinkWiring, SimLink } from './sim-link.ts';
import type { Packet } from './sim-network.ts';
import { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** What every peer of one simulation shares. */
export interface PeerSetting {
  readonly world: World;
  wiring(node: SimNode, identity: string, role: Role, random: SeededRandom): LinkWiring;
}

type Answer = Exclude<ClientEffect, { kind: 'send' }>;

export interface ClientWitness {
  answered(client: SimClient, answer: Answer): void;
}

/** As the client's shell ticks its core. */
const tickMs = 500;

export class SimClient extends SimNode {
  readonly identity: string;
  readonly role: Role;
  private readonly setting: PeerSetting;
  private readonly witness: ClientWitness;
  private readonly random: SeededRandom;
  private state: ReturnType<typeof createClientState> | null = null;
  private link: SimLink | null = null;

  constructor(
    name: string,
    identity: string,
    role: Role,
    clock: SimClock,
    random: SeededRandom,
    setting: PeerSetting,
    witness: ClientWitness,
  ) {
    super(name, setting.world, clock, random.split('turns'));
    this.identity = identity;
    this.role = role;
    this.random = random;
    this.setting = setting;
    this.witness = witness;
  }

  get connection(): string {
    return this.link?.connection ?? '';
  }

  override start(): void {
    super.start();
    const random = this.random.split(`life ${this.life}`);
    this.state = createClientState(`${this.name}-${this.life}` as ClientId);
    const link = new SimLink(this.setting.wiring(this, this.identity, this.role, random), {
      hello: () => composeClientHello(this.state as never),
      onOpen: ({ session, timers }) => this.step({ kind: 'sessionOpened', session, timers }),
      onMessage: (session, message) => this.step({ kind: 'message', session, message: message as ToClient }),
      onClosed: () => this.step({ kind: 'sessionClosed' }),
    });
    this.link = link;
    this.enqueue(() => {
      link.connect();
      this.tick();
    });
  }

  override crash(): void {
    super.crash();
    this.state = null;
    this.link = null;
  }

  receive(packet: Packet): void {
    this.enqueue(() => {
      this.note(`← ${describe(packet.message)}`);
      this.link?.receive(packet);
    });
  }

  cut(): void {
    this.link?.cut();
  }

  /** A caller's wish, taken up in this life's next turn. */
  wish(event: ClientEvent): void {
    this.enqueue(() => this.step(event));
  }

  private step(event: ClientEvent): void {
    if (this.state === null) return;
    this.perform(stepClient(this.state, event, this.now), (effect) => this.performOne(effect));
  }

  private performOne(effect: ClientEffect): void {
    if (effect.kind === 'send') {
      this.note(`→ ${describe(effect.message as Message)}`);
      this.link?.send(effect.message);
      return;
    }
    this.witness.answered(this, effect);
  }

  private tick(): void {
    this.timer(tickMs, () => {
      this.step({ kind: 'tick' });
      this.tick();
    });
  }
}
