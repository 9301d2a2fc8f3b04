/**
 * A worker without a machine: the real core between the real link and the executor of noop tasks. Hundreds of it fit into
 * one process, where as many that look at the machine would measure nothing but their looks.
 */
import { defaultTimers, type ToWorker, type WorkerReport } from '@gryphgen/protocol';
import {
  type BrokerAddress,
  createLog,
  type Identity,
  Link,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import {
  composeHello,
  createWorkerState,
  NoopExecutor,
  stepWorker,
  type WorkerEffect,
  type WorkerEvent,
} from '@gryphgen/worker';

export interface BareWorkerOptions {
  readonly name: string;
  readonly grid: string;
  readonly broker: BrokerAddress;
  readonly identity: Identity;
  onSession(): void;
  onStart?(task: number): void;
}

const now = () => ({ mono: systemClock.mono(), wall: systemClock.wall() });

export class BareWorker {
  private readonly state;
  private readonly link: Link<'toWorker'>;
  private readonly executor: NoopExecutor;
  private readonly events: WorkerEvent[] = [];
  private stepping = false;
  private session = '';
  private readonly onStart: BareWorkerOptions['onStart'];
  private readonly ticking: NodeJS.Timeout;

  constructor({ name, grid, broker, identity, onSession, onStart }: BareWorkerOptions) {
    this.onStart = onStart;
    this.state = createWorkerState(reportOf(name), systemClock.mono());
    this.executor = new NoopExecutor(
      systemAlarms,
      {
        started: (fence) => this.post({ kind: 'started', fence }),
        used: (fence, reading) => this.post({ kind: 'used', fence, reading }),
        served: (fence, service) => this.post({ kind: 'served', fence, service }),
        exited: (fence, exit) => this.post({ kind: 'exited', fence, exit }),
        startFailed: (fence, failure) => this.post({ kind: 'startFailed', fence, failure }),
      },
      () => undefined,
    );
    this.link = new Link(
      {
        ...{ brokers: [broker], grid, identity, role: 'worker', direction: 'toWorker' },
        ...{ clock: systemClock, alarms: systemAlarms, random: systemRandom },
        log: createLog({ daemon: name, level: 'error' }),
      },
      {
        hello: () => ({ kind: 'worker', boot: name, ...composeHello(this.state, now()), head: null }),
        onOpen: ({ session, epoch, timers }) => {
          this.session = session;
          this.post({ kind: 'sessionOpened', session, epoch, timers });
          onSession();
        },
        onMessage: (message) => this.onMessage(message),
        onClosed: () => this.post({ kind: 'sessionClosed' }),
        onRefused: ({ message }) => {
          throw new Error(`${name} is refused: ${message}`);
        },
      },
    );
    this.post({ kind: 'adopted', attempts: [] });
    this.link.start();
    this.ticking = setInterval(() => this.post({ kind: 'tick' }), defaultTimers.tickMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.ticking);
    await this.link.stop();
  }

  private onMessage(message: ToWorker): void {
    this.post({ kind: 'message', session: this.session, message });
  }

  /** Steps never nest: what an effect causes in the same turn waits its turn. */
  private post(event: WorkerEvent): void {
    this.events.push(event);
    if (this.stepping) return;
    this.stepping = true;
    for (let next = this.events.shift(); next !== undefined; next = this.events.shift())
      for (const effect of stepWorker(this.state, next, now())) this.perform(effect);
    this.stepping = false;
  }

  private perform(effect: WorkerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.link.send(effect.message);
        break;
      case 'start':
        this.onStart?.(effect.order.fence.task);
        this.executor.start(effect.order);
        break;
      case 'stop':
        this.executor.stop(effect.fence);
        break;
      case 'leaveSession':
        void this.link.stop().then(() => this.link.start());
        break;
      case 'recall':
      case 'forget':
      case 'witness':
      case 'note':
      case 'remark':
        break;
      default:
        effect satisfies never;
    }
  }
}

function reportOf(name: string): WorkerReport {
  return {
    name,
    capabilities: ['noop'],
    labels: {},
    cpuMilli: 1000,
    memoryBytes: 2 ** 30,
    diskBytes: 2 ** 30,
    devices: [],
    images: [],
    slots: 1024,
    speed: 1,
    dataEndpoint: '',
    dataKey: '',
    version: '0.1.0',
  };
}
