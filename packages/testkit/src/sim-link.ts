/**
 * A peer's side of the session, over the simulated network: what runtime/link does over a real socket, state for state.
 *
 *   connecting ─challenge→ greeting ─welcome→ open        no answer, silence, refusal: waiting, then a new connection
 *
 * 1. Composing a hello ends the older session here (E2); a message of any session but the open one is dropped.
 * 2. Messages beyond the credit wait here and go with the session (E3).
 */
import type {
  Challenge,
  Message,
  PeerHello,
  Role,
  ToBroker,
  ToClient,
  ToWorker,
  Welcome,
} from '@gryphgen/protocol';
import { limits, productVersion, wireVersions } from '@gryphgen/protocol';
import { type Identity, signHello } from '@gryphgen/runtime';
import type { SeededRandom } from './seeded-random.ts';
import type { Packet } from './sim-network.ts';
import type { SimNode } from './sim-node.ts';

/** As in runtime/link. */
const answerMs = 2000;
const backoffBaseMs = 100;
const backoffCeilingMs = 10_000;
const looksPerLease = 8;

export interface LinkOwner {
  hello(): PeerHello;
  onOpen(welcome: Welcome): void;
  onMessage(session: string, message: ToClient | ToWorker): void;
  onClosed(): void;
}

export interface LinkWiring {
  readonly node: SimNode;
  readonly grid: string;
  readonly identity: Identity;
  readonly role: Role;
  readonly random: SeededRandom;
  /** The name of a connection never used before. */
  readonly newConnection: () => string;
  readonly transmit: (packet: Packet) => void;
}

type LinkState = 'connecting' | 'greeting' | 'open' | 'waiting';

export class SimLink {
  connection = '';
  private readonly wiring: LinkWiring;
  private readonly owner: LinkOwner;
  private state: LinkState = 'waiting';
  private session = '';
  private creditTotal = 0;
  private creditUsed = 0;
  private held: ToBroker[] = [];
  private tries = 0;
  private silentMs = 0;
  private lookedAt = 0;
  private alarmNo = 0;

  constructor(wiring: LinkWiring, owner: LinkOwner) {
    this.wiring = wiring;
    this.owner = owner;
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Takes a connection never used before and knocks. */
  connect(): void {
    this.connection = this.wiring.newConnection();
    this.knock();
  }

  /** The connection broke and was made anew below us, as ZeroMQ does: we are not told. */
  cut(): void {
    if (this.connection !== '') this.connection = this.wiring.newConnection();
  }

  leave(): void {
    this.retry();
  }

  /** False when there is no session or too much waits for credit. */
  send(message: ToBroker): boolean {
    if (this.state !== 'open') return false;
    const free = message.kind === 'heartbeat' || message.kind === 'credit' || message.kind === 'bye';
    if (!free && (this.held.length > 0 || this.creditUsed >= this.creditTotal)) {
      if (this.held.length >= limits.clientOutstanding) return false;
      this.held.push(message);
      return true;
    }
    if (!free) this.creditUsed += 1;
    this.transmit(this.session, message);
    return true;
  }

  receive({ connection, session, message }: Packet): void {
    if (connection !== this.connection || this.state === 'waiting') return;
    if (session !== '' && session !== this.session) return;
    this.silentMs = 0;
    switch (message.kind) {
      case 'challenge':
        this.onChallenge(message);
        break;
      case 'welcome':
        this.onWelcome(message);
        break;
      case 'refusal':
      case 'bye':
        this.retry();
        break;
      case 'helloAgain':
        if (this.state !== 'open') return;
        this.endSession();
        this.knock();
        break;
      case 'credit':
        this.onCredit(message.total);
        break;
      default:
        if (this.state === 'open') this.owner.onMessage(session, message as ToClient | ToWorker);
    }
  }

  private knock(): void {
    this.state = 'connecting';
    this.transmit('', { kind: 'knock', versions: wireVersions });
    this.alarm(answerMs, () => this.retry());
  }

  private onChallenge({ nonce, grid }: Challenge): void {
    if (this.state !== 'connecting') return;
    const { identity, role } = this.wiring;
    this.state = 'greeting';
    const signature = signHello(identity, grid, nonce, role);
    const peer = this.owner.hello();
    this.transmit('', {
      kind: 'hello',
      nonce,
      key: identity.key,
      role,
      signature,
      product: productVersion,
      peer,
    });
    this.alarm(answerMs, () => this.retry());
  }

  private onWelcome(welcome: Welcome): void {
    if (this.state !== 'greeting') return;
    this.state = 'open';
    this.session = welcome.session;
    this.creditTotal = welcome.credit;
    this.creditUsed = 0;
    this.tries = 0;
    this.silentMs = 0;
    this.lookedAt = this.wiring.node.now.mono;
    this.look(welcome.timers.leaseMs);
    this.owner.onOpen(welcome);
  }

  private onCredit(total: number): void {
    this.creditTotal = Math.max(this.creditTotal, total);
    while (this.held.length > 0 && this.creditUsed < this.creditTotal) {
      this.creditUsed += 1;
      this.transmit(this.session, this.held.shift() as ToBroker);
    }
  }

  /** Silence counts only while this process was watching. */
  private look(leaseMs: number): void {
    const everyMs = leaseMs / looksPerLease;
    this.alarm(everyMs, () => {
      const { mono } = this.wiring.node.now;
      this.silentMs += Math.min(mono - this.lookedAt, 2 * everyMs);
      this.lookedAt = mono;
      if (this.silentMs >= leaseMs) this.retry();
      else this.look(leaseMs);
    });
  }

  private endSession(): void {
    this.session = '';
    this.held = [];
    this.alarmNo += 1;
    this.owner.onClosed();
  }

  private retry(): void {
    const wasOpen = this.state === 'open';
    this.state = 'waiting';
    if (wasOpen) this.endSession();
    const waitMs = Math.min(backoffCeilingMs, backoffBaseMs * 2 ** this.tries);
    this.tries += 1;
    this.alarm(waitMs * this.wiring.random.between(0.5, 1), () => this.connect());
  }

  private transmit(session: string, message: Message): void {
    const { node, transmit } = this.wiring;
    transmit({ peer: node.name, connection: this.connection, direction: 'toBroker', session, message });
  }

  private alarm(ms: number, run: () => void): void {
    this.alarmNo += 1;
    const { alarmNo } = this;
    this.wiring.node.timer(ms, () => {
      if (this.alarmNo === alarmNo) run();
    });
  }
}
