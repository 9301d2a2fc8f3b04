/** A worker's or client's process in the simulation: the real link, over a simulated connection. */
import type { Failure, Role } from '@gryphgen/protocol';
import { Link, type LinkOwner, type Log } from '@gryphgen/runtime';
import { randomPort, type SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import { SimDealer } from './sim-dealer.ts';
import { SimFailure } from './sim-failure.ts';
import { simIdentity } from './sim-identity.ts';
import type { Packet } from './sim-network.ts';
import { type NodeSetting, SimNode } from './sim-node.ts';

/** What every peer of one simulation shares. */
export interface PeerSetting extends NodeSetting {
  readonly grid: string;
  /** The name of a connection never used before. */
  readonly newConnection: (peer: string) => string;
  readonly onFatal: (error: unknown) => void;
  /** Its key enters no more. */
  readonly isRevoked: (identity: string) => boolean;
}

type Direction = 'toClient' | 'toWorker';

export abstract class SimPeer<D extends Direction> extends SimNode {
  readonly identity: string;
  readonly role: Role;
  protected readonly setting: PeerSetting;
  private readonly peerRandom: SeededRandom;
  private readonly direction: D;
  private link: Link<D> | null = null;
  private dealer: SimDealer | null = null;

  constructor(
    who: { readonly name: string; readonly identity: string; readonly role: Role; readonly direction: D },
    setting: PeerSetting,
    clock: SimClock,
    random: SeededRandom,
  ) {
    super(who.name, setting, clock, random.split('turns'));
    this.identity = who.identity;
    this.role = who.role;
    this.direction = who.direction;
    this.setting = setting;
    this.peerRandom = random;
  }

  protected abstract owner(): Omit<LinkOwner<D>, 'onRefused'>;

  get connection(): string {
    return this.dealer?.connection ?? '';
  }

  override start(): void {
    super.start();
    const { grid, newConnection } = this.setting;
    this.link = new Link<D>(
      {
        brokers: [{ endpoint: 'the broker', curveKey: '' }],
        grid,
        identity: simIdentity(this.identity),
        role: this.role,
        direction: this.direction,
        clock: this.clockPort,
        alarms: this.alarms,
        random: randomPort(this.peerRandom.split(`life ${this.life}`)),
        log: this.linkLog(),
        dial: (_broker, events) => {
          this.dealer = new SimDealer(this, newConnection(this.name), events);
          return this.dealer;
        },
      },
      { ...this.owner(), onRefused: (why) => this.onRefused(why) },
    );
  }

  private onRefused(why: Failure): void {
    if (this.setting.isRevoked(this.identity)) this.turnedOut(why);
    else this.failed('honest peers are let in', why);
  }

  /** By a revocation. */
  protected turnedOut(_why: Failure): void {}

  override crash(): void {
    super.crash();
    this.link = null;
    this.dealer = null;
  }

  receive(packet: Packet): void {
    this.takeFrame(packet, '', (frame) => this.dealer?.receive(packet.connection, frame));
  }

  /** The connection broke and was made anew below us, as ZeroMQ does: we are not told. */
  cut(): void {
    if (this.dealer !== null) this.dealer.connection = this.setting.newConnection(this.name);
  }

  protected connect(): void {
    this.link?.start();
  }

  protected send(message: Parameters<Link<D>['send']>[0]): void {
    this.link?.send(message);
  }

  /** Gives up the session and begins a new one. */
  protected leave(): void {
    const { link, life } = this;
    if (link === null) return;
    const left = link.stop().then(() => {
      if (this.life === life) link.start();
    });
    this.world.settle(left);
  }

  private linkLog(): Log {
    const ignore = (): void => undefined;
    const warn = ({ failure }: { failure: Failure }): void => this.failed('frames make sense', failure);
    return { debug: ignore, info: ignore, warn } as unknown as Log;
  }

  private failed(rule: string, { code, message }: Failure): void {
    this.setting.onFatal(new SimFailure(rule, `${this.name}: ${code}: ${message}`));
  }
}
