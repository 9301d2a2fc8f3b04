/** For tests of the core: one worker with a clock that the test turns, and words for what a broker sends. */
import {
  type AttemptNo,
  defaultTimers,
  type Envelope,
  type Epoch,
  encodeEnvelope,
  envelopeDefaults,
  type Lease,
  type Result,
  type Stop,
  type TaskId,
  type ToWorker,
  type WorkerReport,
} from '@gryphgen/protocol';
import type { StartOrder, WorkerEffect } from './effects.ts';
import type { Exit, WorkerEvent } from './events.ts';
import type { Fence } from './fence.ts';
import { keyOf } from './fence.ts';
import { composeHello, type WorkerHello } from './sessions.ts';
import { createWorkerState, type LeaseFacts, type WorkerState } from './state.ts';
import { stepWorker } from './step.ts';

export const report: WorkerReport = {
  name: 'forge',
  capabilities: ['container', 'noop'],
  labels: {},
  cpuMilli: 32_000,
  memoryBytes: 2 ** 37,
  diskBytes: 2 ** 40,
  devices: [],
  images: [],
  slots: 64,
  speed: 1,
  dataEndpoint: '',
  dataKey: '',
  version: '0',
};

const noBytes = new Uint8Array(0);
export const success: Exit = { exitCode: 0, failure: null, outcome: noBytes, stopped: false };
export const stopped: Exit = { exitCode: 143, failure: null, outcome: noBytes, stopped: true };

export const facts: LeaseFacts = {
  kind: 'container',
  reservation: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] },
  timeoutMs: 0,
  onLinkLost: 'move',
};

export function fence(task: number, attempt = 1, epoch = 1): Fence {
  return { task: task as TaskId, attempt: attempt as AttemptNo, epoch: epoch as Epoch };
}

export class WorkerUnderTest {
  readonly state: WorkerState = createWorkerState(report, 0);
  mono = 0;
  private sessions = 0;
  private leases = 0;

  step(event: WorkerEvent): WorkerEffect[] {
    return stepWorker(this.state, event, { mono: this.mono, wall: this.mono });
  }

  hello(): WorkerHello {
    return composeHello(this.state, { mono: this.mono, wall: this.mono });
  }

  /** Says hello and is welcome. Lease numbers begin anew. */
  open(timers = defaultTimers): WorkerEffect[] {
    this.hello();
    this.sessions += 1;
    this.leases = 0;
    return this.step({ kind: 'sessionOpened', session: this.session, epoch: 1 as Epoch, timers });
  }

  get session(): string {
    return `s${this.sessions}`;
  }

  hear(message: ToWorker, session = this.session): WorkerEffect[] {
    return this.step({ kind: 'message', session, message });
  }

  leaseOf(of: Fence, over: Partial<Lease> = {}, envelope: Partial<Envelope> = {}): Lease {
    this.leases += 1;
    return {
      kind: 'lease',
      leaseSeq: this.leases,
      floor: 1,
      ...of,
      devices: [],
      envelope: encodeEnvelope({ ...envelopeDefaults, kind: 'container', ...envelope }),
      body: noBytes,
      ...over,
    };
  }

  lease(of: Fence, envelope: Partial<Envelope> = {}): WorkerEffect[] {
    return this.hear(this.leaseOf(of, {}, envelope));
  }

  /** Leased and started. */
  run(of: Fence, envelope: Partial<Envelope> = {}): WorkerEffect[] {
    return [...this.lease(of, envelope), ...this.step({ kind: 'started', fence: of })];
  }

  exit(of: Fence, exit: Exit = success): WorkerEffect[] {
    return this.step({ kind: 'exited', fence: of, exit });
  }

  stop(of: Fence, reason: Stop['reason'] = 'cancel', leaseSeq = 0): WorkerEffect[] {
    return this.hear({ kind: 'stop', ...of, leaseSeq, reason });
  }

  ack(of: Fence): WorkerEffect[] {
    return this.hear({ kind: 'resultAck', ...of });
  }

  tick(afterMs: number): WorkerEffect[] {
    this.mono += afterMs;
    return this.step({ kind: 'tick' });
  }

  /** Ticks often enough for the core, acknowledging every heartbeat. */
  live(ms: number): WorkerEffect[] {
    const effects: WorkerEffect[] = [];
    for (const end = this.mono + ms; this.mono < end; ) {
      effects.push(...this.tick(Math.min(500, end - this.mono)));
      for (const seq of this.state.session?.sentAt.keys() ?? []) {
        this.hear({ kind: 'heartbeatAck', seq, head: { seq: 1, digest: '' } });
      }
    }
    return effects;
  }

  phase(of: Fence): string {
    return this.state.attempts.get(keyOf(of))?.phase ?? 'none';
  }
}

export function results(effects: readonly WorkerEffect[]): Result[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === 'result' ? [effect.message] : [],
  );
}

export function starts(effects: readonly WorkerEffect[]): StartOrder[] {
  return effects.flatMap((effect) => (effect.kind === 'start' ? [effect.order] : []));
}

export function stops(effects: readonly WorkerEffect[]): Extract<WorkerEffect, { kind: 'stop' }>[] {
  return effects.filter((effect) => effect.kind === 'stop');
}

export function forgotten(effects: readonly WorkerEffect[]): Fence[] {
  return effects.flatMap((effect) => (effect.kind === 'forget' ? [effect.fence] : []));
}

export function heartbeats(effects: readonly WorkerEffect[]) {
  return effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === 'heartbeat' ? [effect.message] : [],
  );
}
