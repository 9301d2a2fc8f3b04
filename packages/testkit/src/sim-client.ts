/** A client process in the simulation: the real core behind the real link; its callers are the workload. */
import {
  type ClientEffect,
  type ClientEvent,
  composeClientHello,
  createClientState,
  stepClient,
} from '@gryphgen/client';
import type { ClientId, Failure, Role, Welcome } from '@gryphgen/protocol';
import type { LinkOwner } from '@gryphgen/runtime';
import type { SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import { type PeerSetting, SimPeer } from './sim-peer.ts';

type Answer = Exclude<ClientEffect, { kind: 'send' }>;

export interface ClientWitness {
  answered(client: SimClient, answer: Answer): void;
}

/** As the client's shell ticks its core. */
const tickMs = 500;

export class SimClient extends SimPeer<'toClient'> {
  private readonly witness: ClientWitness;
  private state: ReturnType<typeof createClientState> | null = null;
  private session = '';

  constructor(
    name: string,
    identity: string,
    role: Role,
    clock: SimClock,
    random: SeededRandom,
    setting: PeerSetting,
    witness: ClientWitness,
  ) {
    super({ name, identity, role, direction: 'toClient' }, setting, clock, random);
    this.witness = witness;
  }

  override start(): void {
    super.start();
    this.state = createClientState(`${this.name}-${this.life}` as ClientId);
    this.enqueue(() => {
      this.connect();
      this.tick();
    });
  }

  override crash(): void {
    super.crash();
    this.state = null;
  }

  /** A caller's wish, taken up in this life's next turn. */
  wish(event: ClientEvent): void {
    this.enqueue(() => this.step(event));
  }

  protected override owner(): Omit<LinkOwner<'toClient'>, 'onRefused'> {
    return {
      hello: () => composeClientHello(this.state as never),
      onOpen: (welcome) => this.onOpen(welcome),
      onMessage: (message) => this.step({ kind: 'message', session: this.session, message }),
      onClosed: () => this.step({ kind: 'sessionClosed' }),
    };
  }

  protected override turnedOut(why: Failure): void {
    this.step({ kind: 'refused', failure: why });
  }

  private onOpen({ session, timers }: Welcome): void {
    this.session = session;
    this.step({ kind: 'sessionOpened', session, timers });
  }

  private step(event: ClientEvent): void {
    if (this.state === null) return;
    this.perform(stepClient(this.state, event, this.now), (effect) => this.performOne(effect));
  }

  private performOne(effect: ClientEffect): void {
    if (effect.kind === 'send') this.send(effect.message);
    else this.witness.answered(this, effect);
  }

  private tick(): void {
    this.timer(tickMs, () => {
      this.step({ kind: 'tick' });
      this.tick();
    });
  }
}
