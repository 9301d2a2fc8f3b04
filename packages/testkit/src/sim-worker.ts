/** A worker process in the simulation: the real core between the real link and a simulated machine. */
import type { Device, PeerHello, ToWorker, Welcome } from '@gryphgen/protocol';
import type { LinkOwner } from '@gryphgen/runtime';
import {
  composeHello,
  createWorkerState,
  type Fence,
  stepWorker,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from '@gryphgen/worker';
import type { WorkerShape } from './grid-shape.ts';
import type { MachineChange } from './operation.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimClock } from './sim-clock.ts';
import type { SimMachine } from './sim-machine.ts';
import { type PeerSetting, SimPeer } from './sim-peer.ts';

/** Between looks at the devices. */
const lookMs = 5000;

export interface WorkerWitness {
  /** The worker's core has taken up an order to stop this attempt. */
  stopTaken(fence: Fence): void;
  died(worker: string): void;
}

export class SimWorker extends SimPeer<'toWorker'> {
  readonly shape: WorkerShape;
  readonly machine: SimMachine;
  state: WorkerState | null = null;
  private readonly witness: WorkerWitness;
  private session = '';

  constructor(
    shape: WorkerShape,
    machine: SimMachine,
    clock: SimClock,
    random: SeededRandom,
    setting: PeerSetting,
    witness: WorkerWitness,
  ) {
    super(
      { name: shape.name, identity: shape.name, role: 'worker', direction: 'toWorker' },
      setting,
      clock,
      random,
    );
    this.shape = shape;
    this.machine = machine;
    this.witness = witness;
  }

  override start(): void {
    super.start();
    this.state = createWorkerState(this.shape.report, this.now.mono);
    const { life } = this;
    const tell = (event: WorkerEvent): void => {
      if (this.life === life) this.enqueue(() => this.step(event));
    };
    const attempts = this.machine.adopt({
      started: (fence) => tell({ kind: 'started', fence }),
      exited: (fence, exit) => tell({ kind: 'exited', fence, exit }),
      used: (fence, reading) => tell({ kind: 'used', fence, reading }),
      served: (fence, service) => tell({ kind: 'served', fence, service }),
      startFailed: (fence, why) => tell({ kind: 'startFailed', fence, failure: why }),
      turn: (run) => this.life === life && this.enqueue(run),
    });
    this.enqueue(() => {
      this.note(`up, finds ${attempts.length} attempts`);
      this.step({ kind: 'adopted', attempts });
      this.connect();
      this.tick();
      this.lookAtDevices();
    });
  }

  override crash(): void {
    super.crash();
    this.coverReached();
    this.machine.processDied();
    this.witness.died(this.name);
    this.state = null;
  }

  /** Adds the transitions this life has taken to the coverage. */
  coverReached(): void {
    for (const name of this.state?.reached.keys() ?? []) this.world.coverage.reached(`attempt ${name}`);
  }

  change({ foreignBytes, stops, hot }: MachineChange): void {
    const [first, ...others] = this.shape.report.devices;
    const pressure = { name: 'simulated', forMs: 0, words: 'it passes' };
    const card = { ...first, foreignBytes, ...(hot ? { pressure } : {}) } as Device;
    const devices = first === undefined ? [] : [card, ...others];
    const pressures = stops.length === 0 ? [] : [{ ...pressure, stops }];
    const report = { ...this.shape.report, devices, pressures, foreignBytes };
    this.enqueue(() => this.step({ kind: 'reportChanged', report }));
  }

  protected override owner(): Omit<LinkOwner<'toWorker'>, 'onRefused'> {
    return {
      hello: () => this.hello(),
      onOpen: (welcome) => this.onOpen(welcome),
      onMessage: (message) =>
        this.step({ kind: 'message', session: this.session, message: this.read(message) }),
      onClosed: () => this.step({ kind: 'sessionClosed' }),
    };
  }

  private read(message: ToWorker): ToWorker {
    const isDrain = message.kind === 'stop' && message.reason === 'drain';
    return isDrain && this.shape.knowsNoDrain ? { ...message, reason: 'cancel' } : message;
  }

  private hello(): PeerHello {
    const { report, attempts } = composeHello(this.state as WorkerState, this.now);
    return {
      kind: 'worker',
      boot: `${this.name}-${this.machine.boots}`,
      report,
      attempts,
      head: this.machine.head,
    };
  }

  private onOpen({ session, epoch, timers }: Welcome): void {
    this.session = session;
    this.step({ kind: 'sessionOpened', session, epoch, timers });
  }

  private step(event: WorkerEvent): void {
    const { state } = this;
    if (state === null) return;
    const listens = event.kind === 'message' && event.session === state.session?.id;
    const effects = stepWorker(state, event, this.now);
    // In its place among the effects: those of a message before it in the same frame come first.
    if (listens && event.message.kind === 'stop')
      this.perform([event.message], (stop) => this.witness.stopTaken(stop));
    this.perform(effects, (effect) => this.performOne(effect));
  }

  private performOne(effect: WorkerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.send(effect.message);
        break;
      case 'start':
        this.note(`starts t${effect.order.fence.task}.${effect.order.fence.attempt}`);
        this.machine.start(effect.order);
        break;
      case 'stop':
        this.note(`stops t${effect.fence.task}.${effect.fence.attempt}: ${effect.why}`);
        this.machine.stop(effect.fence, effect.graceMs, effect.why);
        break;
      case 'recall':
        this.machine.recall(effect.fence);
        break;
      case 'forget':
        this.machine.forget(effect.fence);
        break;
      case 'witness':
        this.machine.head = effect.head;
        break;
      case 'leaveSession':
        this.leave();
        break;
      case 'note':
        this.note(`notes ${effect.note.kind}`);
        break;
      case 'remark':
        break;
      default:
        effect satisfies never;
    }
  }

  private lookAtDevices(): void {
    this.timer(lookMs, () => {
      const devices = this.machine.look(this.state?.report.devices ?? []);
      this.step({ kind: 'devicesSeen', devices });
      this.lookAtDevices();
    });
  }

  private tick(): void {
    const { state } = this;
    if (state === null) return;
    this.timer(state.timers.tickMs, () => {
      this.step({ kind: 'tick' });
      this.tick();
    });
  }
}
