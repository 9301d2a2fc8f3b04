/** A broker core in a test: events in, effects kept by kind, invariants checked after each step. */
import type {
  AttemptReport,
  ClientId,
  Envelope,
  Epoch,
  Failure,
  Message,
  PolicyEvidence,
  PrincipalId,
  PrincipalLimitTable,
  Role,
  SessionId,
  WorkerId,
  WorkerReport,
} from '@gryphgen/protocol';
import { decodeEnvelope, defaultTimers, envelopeDefaults, noPrincipalLimits } from '@gryphgen/protocol';
import { shapeKey } from '@gryphgen/scheduler';
import type { BrokerEffect } from './effects.ts';
import type { BrokerEvent, PassedMessage } from './events.ts';
import { brokenInvariants } from './invariants.ts';
import { apply } from './record/apply.ts';
import { emptyState, loadSnapshot, type Snapshot, saveSnapshot } from './record/snapshot.ts';
import type { BrokerState } from './state.ts';
import { step } from './step.ts';

const GiB = 1024 ** 3;

function envelope(over: Partial<Envelope> = {}): Envelope {
  return { ...envelopeDefaults, kind: 'process', ...over };
}

export function report(over: Partial<WorkerReport> = {}): WorkerReport {
  return {
    name: 'anvil',
    capabilities: ['process', 'container', 'noop'],
    labels: {},
    cpuMilli: 4000,
    memoryBytes: 8 * GiB,
    diskBytes: 100 * GiB,
    devices: [],
    images: [],
    slots: 64,
    speed: 1,
    dataEndpoint: 'tcp://127.0.0.1:1',
    dataKey: 'k',
    version: '0.1.0',
    ...over,
  };
}

const pair = { before: 1000, after: 900 };
export const betterEvidence: PolicyEvidence = {
  ...{ trained: 700, judged: 300, since: 1_699_999_000_000, until: 1_700_000_100_000 },
  ...{ mean: pair, p99: pair, gain: 0.1, leastGain: 0.02 },
};

export class CoreFixture {
  state: BrokerState;
  mono = 1000;
  wall = 1_700_000_000_000;
  effects: BrokerEffect[] = [];
  /** Whether keys are revoked at once; else a test says when. */
  revokes = true;
  /** What a replay says of each policy, at once; null: a test says when. */
  judgement: Extract<BrokerEvent, { kind: 'policyJudged' }>['judgement'] | null = {
    promotes: true,
    why: 'it is better',
    evidence: betterEvidence,
  };
  readonly groups: [Epoch, Extract<BrokerEffect, { kind: 'record' }>['decision']][] = [];
  private sessions = 0;

  constructor(epoch = 1, principalLimits: PrincipalLimitTable = noPrincipalLimits) {
    this.state = emptyState(epoch as Epoch, { principalLimits });
    this.state.lastMono = this.mono;
  }

  step(event: BrokerEvent): BrokerEffect[] {
    const made = this.raw(event);
    for (let at = 0; this.state.wake || at < made.length; ) {
      if (this.state.wake) {
        made.push(...this.raw({ kind: 'schedule' }));
        continue;
      }
      const effect = made[at] as BrokerEffect;
      at += 1;
      if (effect.kind === 'revoke') made.push(...this.revoke(effect));
      if (effect.kind === 'judgePolicy') made.push(...this.judge(effect));
      if (effect.kind === 'prepareInstance' || effect.kind === 'prepareCopy')
        made.push(...this.prepare(effect));
    }
    this.effects.push(...made);
    const wrong = brokenInvariants(this.state);
    if (wrong.length > 0) throw new Error(`after ${event.kind}: ${wrong.join('; ')}`);
    return made;
  }

  /** As the shell does, when the key is off the list. */
  private revoke({ worker, session, request }: Extract<BrokerEffect, { kind: 'revoke' }>): BrokerEffect[] {
    return this.revokes ? this.raw({ kind: 'keyRevoked', worker, session, request, failure: null }) : [];
  }

  private judge({ kind: _, ...asked }: Extract<BrokerEffect, { kind: 'judgePolicy' }>): BrokerEffect[] {
    return this.judgement === null
      ? []
      : this.raw({ kind: 'policyJudged', ...asked, judgement: this.judgement });
  }

  /** As the shell does, by the envelope's words for its hash. */
  private prepare(
    effect: Extract<BrokerEffect, { kind: 'prepareInstance' | 'prepareCopy' }>,
  ): BrokerEffect[] {
    const { envelope, body } = effect;
    const read = decodeEnvelope(envelope);
    if (!read.ok) throw new Error(read.failure.message);
    const [envelopeHash, bodyHash] = [JSON.stringify(read.value), JSON.stringify([...body])];
    const hashes = { envelopeHash: envelopeHash as never, bodyHash: bodyHash as never };
    const spec = { envelope: read.value, ...hashes, shapeKey: shapeKey(read.value), bodyBytes: body.length };
    if (effect.kind === 'prepareInstance') {
      const { model, since, words } = effect;
      return this.raw({ kind: 'instancePrepared', model, since, spec, words });
    }
    const { collection, index, principal } = effect;
    return this.raw({ kind: 'copyPrepared', collection, index, principal, spec });
  }

  private raw(event: BrokerEvent): BrokerEffect[] {
    const made = step(this.state, event, { mono: this.mono, wall: this.wall });
    for (const effect of made)
      if (effect.kind === 'record') this.groups.push([this.state.epoch, effect.decision]);
    return made;
  }

  client(role: Role = 'admin', client = 'c1', principal = 'p-1'): SessionId {
    const session = this.newSession();
    this.step({
      kind: 'sessionOpened',
      session,
      principal: principal as PrincipalId,
      role,
      worker: null,
      peer: { kind: 'client', client: client as ClientId },
    });
    return session;
  }

  worker(
    id = 'w-1',
    over: Partial<WorkerReport> = {},
    attempts: AttemptReport[] = [],
    boot = 'b1',
  ): SessionId {
    const session = this.newSession();
    this.step({
      kind: 'sessionOpened',
      session,
      principal: `p-${id}` as PrincipalId,
      role: 'worker',
      worker: id as WorkerId,
      peer: { kind: 'worker', boot, report: report({ name: id, ...over }), attempts, head: null },
    });
    return session;
  }

  private newSession(): SessionId {
    this.sessions += 1;
    return `s${this.state.epoch}.${this.sessions}` as SessionId;
  }

  submit(
    session: SessionId,
    seq: number,
    over: Partial<Envelope> = {},
    more: { key?: string; floor?: number; body?: string; bodyBytes?: number; progress?: true } = {},
  ) {
    const made = envelope(over);
    const hash = JSON.stringify(made);
    const spec = {
      envelope: made,
      envelopeHash: hash as never,
      shapeKey: shapeKey(made),
      bodyHash: (more.body ?? 'b') as never,
      bodyBytes: more.bodyBytes ?? 1,
    };
    const { key = '', floor = 1, progress } = more;
    return this.step({ kind: 'submit', session, seq, floor, key, progress, spec });
  }

  say(session: SessionId, message: PassedMessage): BrokerEffect[] {
    return this.step({ kind: 'message', session, message });
  }

  result(
    session: SessionId,
    task: number,
    attempt = 1,
    failure: Failure | null = null,
    epoch = this.state.epoch,
  ) {
    const message = {
      kind: 'result',
      task,
      attempt,
      epoch,
      exitCode: failure ? 1 : 0,
      failure,
      ranMs: 5,
    } as const;
    return this.say(session, { ...message, outcome: new Uint8Array(0) } as never);
  }

  heartbeat(session: SessionId, seq: number, attempts: [number, number][] = []): BrokerEffect[] {
    return this.say(session, { kind: 'heartbeat', seq, attempts: attempts as never });
  }

  /** Lets time pass in ticks, as the shell does; `alive` sessions send heartbeats meanwhile. */
  pass(ms: number, alive: SessionId[] = []): BrokerEffect[] {
    const made: BrokerEffect[] = [];
    for (let passed = 0; passed < ms; passed += defaultTimers.tickMs) {
      this.mono += defaultTimers.tickMs;
      this.wall += defaultTimers.tickMs;
      made.push(...this.step({ kind: 'tick' }));
      for (const session of alive) {
        const held = this.state.sessions.get(session)?.worker;
        const tasks = held ? [...(this.state.workers.get(held)?.tasks ?? [])] : [];
        const seq = (this.state.sessions.get(session)?.heartbeatSeq ?? 0) + 1;
        made.push(
          ...this.heartbeat(
            session,
            seq,
            tasks.map((id) => [id, this.state.tasks.get(id)?.attempt ?? 0]),
          ),
        );
      }
    }
    return made;
  }

  /** What a new epoch makes of the journal so far; through a snapshot when asked. */
  restart(throughSnapshot = false): CoreFixture {
    const { principalLimits } = this.state;
    const next = new CoreFixture(this.state.epoch + 1, principalLimits);
    let state = emptyState(next.state.epoch, { principalLimits });
    for (const [epoch, decision] of this.groups) apply(state, epoch, decision);
    if (throughSnapshot)
      state = loadSnapshot(structuredClone(saveSnapshot(state)) as Snapshot, next.state.epoch, {
        principalLimits,
      });
    next.state = state;
    next.state.lastMono = next.mono;
    next.groups.push(...this.groups);
    return next;
  }

  task(id: number) {
    return this.state.tasks.get(id as never) ?? this.state.ended.get(id as never);
  }
}

export function sent<K extends Message['kind']>(
  effects: BrokerEffect[],
  kind: K,
): Extract<Message, { kind: K }>[] {
  const found: Extract<Message, { kind: K }>[] = [];
  for (const effect of effects) {
    if (effect.kind === 'send' && effect.message.kind === kind)
      found.push(effect.message as Extract<Message, { kind: K }>);
  }
  return found;
}

export function leases(effects: BrokerEffect[]) {
  return effects.filter((effect) => effect.kind === 'lease');
}
