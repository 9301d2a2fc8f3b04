/**
 * Copies of shards under random histories: machines come and go, are removed and are moved to, the broker restarts, and services
 * do what is asked of them as `packages/retrieval/src/service/held-shards.ts` does. Whatever happens:
 *
 * 1. A shard has one owner in an epoch, and nothing is acknowledged that was done under another than the newest.
 * 2. Who has a version, as owner or as a copy, has everything that was acknowledged by then.
 * 3. Another owner lacks nothing that was acknowledged, unless the record says that it does.
 */
import {
  type CollectionDocument,
  encodeBody,
  type SessionId,
  type ShardHold,
  type TaskId,
} from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CoreFixture, report, sent } from '../core.fixture.ts';
import type { BrokerEffect } from '../effects.ts';
import { type Content, ModelDisks } from './model-disks.fixture.ts';

const machines = 3;
const resources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };

type Lease = Extract<BrokerEffect, { kind: 'lease' }>;

interface Happening {
  readonly kind:
    | 'hello'
    | 'bye'
    | 'remove'
    | 'change'
    | 'work'
    | 'cut'
    | 'pass'
    | 'move'
    | 'replicas'
    | 'restart';
  readonly worker: number;
  readonly flag: boolean;
}

class PlayedHistory {
  private grid = new CoreFixture();
  private client = this.grid.client();
  private readonly sessions = new Map<string, SessionId>();
  private readonly disks = new ModelDisks();
  private readonly leases = new Map<string, Lease[]>();
  /** By change: where it was done when it was acknowledged. */
  private readonly acknowledged = new Map<number, { readonly epoch: number; readonly version: number }>();
  /** By epoch: its owner, and what it began from. */
  private readonly epochs = new Map<number, { readonly worker: string; readonly base: Content | null }>();
  private readonly changeOf = new Map<TaskId, number>();
  private seen = 0;
  private asked = 0;
  private boots = 0;

  play({ kind, worker, flag }: Happening): void {
    const id = `w-${worker}`;
    switch (kind) {
      case 'hello':
        if (flag || !this.sessions.has(id)) this.hello(id);
        break;
      case 'bye':
        this.bye(id);
        break;
      case 'remove':
        this.bye(id);
        this.ask('removeNode', { node: id });
        break;
      case 'change':
        this.change();
        break;
      case 'work':
      case 'cut':
        this.work(this.busy(worker) ?? id, kind === 'cut');
        break;
      case 'pass':
        this.grid.pass(flag ? 10_000 : 2500, [this.client, ...this.sessions.values()]);
        break;
      case 'move':
        this.ask('moveShard', {
          name: 'docs',
          index: 0,
          epoch: this.shard()?.epoch ?? 0,
          to: id,
          anyway: flag,
        });
        break;
      case 'replicas':
        this.ask('placeCollection', { name: 'docs', replicas: flag ? worker : 2 });
        break;
      default:
        this.restart(flag);
    }
    this.collectLeases();
    this.look();
  }

  get acknowledgedChanges(): number {
    return this.acknowledged.size;
  }

  get promotions(): number {
    return [...this.epochs.values()].filter(({ base }) => base !== null).length;
  }

  private hello(id: string): void {
    this.boots += 1;
    this.leases.delete(id);
    this.sessions.set(id, this.grid.worker(id, this.disks.told(id), [], `b${this.boots}`));
  }

  private bye(id: string): void {
    const session = this.sessions.get(id);
    this.leases.delete(id);
    if (session !== undefined && this.sessions.delete(id)) this.grid.step({ kind: 'sessionClosed', session });
  }

  private change(): void {
    this.ask('placeCollection', { name: 'docs' });
    this.asked += 1;
    const before = new Set(this.grid.state.tasks.keys());
    this.grid.submit(this.client, this.asked, {
      ...{ kind: 'ingest', resources, durable: true, shard: { collection: 'docs', index: 0 } },
    });
    for (const id of this.grid.state.tasks.keys()) if (!before.has(id)) this.changeOf.set(id, this.asked);
  }

  private restart(bySnapshot: boolean): void {
    this.grid = this.grid.restart(bySnapshot);
    const there = [...this.sessions.keys()];
    this.sessions.clear();
    this.leases.clear();
    this.seen = 0;
    this.client = this.grid.client('admin', `c${this.asked}`);
    this.asked += 1;
    for (const id of there) this.hello(id);
  }

  private ask(op: string, args: object): unknown {
    this.asked += 1;
    const message = { kind: 'request', id: this.asked, op, args } as const;
    return sent(this.grid.say(this.client, message), 'reply')[0]?.result;
  }

  private shard() {
    return (this.ask('collections', { name: 'docs' }) as CollectionDocument[])[0]?.shards[0];
  }

  private collectLeases(): void {
    for (const effect of this.grid.effects.slice(this.seen)) {
      if (effect.kind !== 'lease') continue;
      for (const [id, session] of this.sessions)
        if (session === effect.session) this.leases.set(id, [...(this.leases.get(id) ?? []), effect]);
    }
    this.seen = this.grid.effects.length;
  }

  /** One that has something to do. */
  private busy(nth: number): string | undefined {
    const all = [...this.leases].flatMap(([id, leases]) =>
      leases.length > 0 && this.sessions.has(id) ? [id] : [],
    );
    return all[nth % Math.max(1, all.length)];
  }

  /** The first that it was leased; `isCut`: it is gone before it has told the result. */
  private work(id: string, isCut: boolean): void {
    const lease = this.leases.get(id)?.shift();
    const session = this.sessions.get(id);
    if (lease === undefined || session === undefined) return;
    const { task, attempt } = lease;
    const { client, body } = task;
    const hold = lease.shard as ShardHold;
    const own =
      client === ''
        ? this.disks.carry(id, hold, body)
        : this.disks.changed(id, hold, this.changeOf.get(task.id) ?? 0);
    this.asked += 1;
    this.grid.say(session, {
      kind: 'report',
      seq: this.asked,
      report: report({ ...this.disks.told(id), name: id }),
    });
    if (isCut) {
      this.bye(id);
      return;
    }
    const epoch = task.lease?.epoch ?? this.grid.state.epoch;
    const failure =
      own === undefined ? { code: 'rejected.state' as const, message: 'it is not so here' } : null;
    this.grid.say(session, {
      kind: 'result',
      ...{ task: task.id, attempt, epoch, exitCode: failure === null ? 0 : -1, failure, ranMs: 1 },
      outcome: encodeBody(own ?? {}),
    });
    const change = this.changeOf.get(task.id);
    const isDone = this.grid.state.ended.get(task.id)?.outcome?.state === 'succeeded';
    const kept = this.disks.kept.get(id);
    if (!isDone || change === undefined || kept === undefined || this.acknowledged.has(change)) return;
    expect(hold.epoch, 'acknowledged under the newest epoch').toBe(this.shard()?.epoch);
    this.acknowledged.set(change, { epoch: kept.epoch, version: kept.version });
  }

  private look(): void {
    const shard = this.grid.state.collections.known.get('docs')?.shards[0];
    if (shard === undefined || shard.worker === '') return;
    const { worker, epoch, base, lost } = shard;
    const known = this.epochs.get(epoch);
    expect(known?.worker ?? worker, `the owner of epoch ${epoch}`).toBe(worker);
    if (known === undefined) {
      const from = base && { ...base, changes: new Set<number>() };
      this.epochs.set(epoch, { worker, base: from });
      // Of an owner that was removed and had no copy nothing is left: it says so by having no base.
      if (base !== null && lost === 0) {
        const before = this.required(base.epoch, Number.POSITIVE_INFINITY);
        expect([...before].filter((change) => !this.required(base.epoch, base.version).has(change))).toEqual(
          [],
        );
      }
    }
    for (const [id, { epoch: of, version, changes }] of this.disks.kept) {
      if (version === 0) continue;
      const lacks = [...this.required(of, version)].filter((change) => !changes.has(change));
      expect(lacks, `${id} has ${of}.${version}`).toEqual([]);
    }
  }

  /** What was acknowledged by then, in this epoch and in those that it goes on from. */
  private required(epoch: number, version: number): ReadonlySet<number> {
    const own = [...this.acknowledged].filter(([, at]) => at.epoch === epoch && at.version <= version);
    const base = this.epochs.get(epoch)?.base;
    const before = base == null ? [] : this.required(base.epoch, base.version);
    return new Set([...own.map(([change]) => change), ...before]);
  }
}

it('a shard has one owner in an epoch, versions say what is there, and no owner lacks what was acknowledged unseen', () => {
  const often = ['change', 'change', 'change', 'pass', 'pass', 'pass', 'hello', 'hello'] as const;
  const work = Array.from({ length: 8 }, () => 'work' as const);
  const happening = fc.record({
    kind: fc.constantFrom(...work, ...often, 'bye', 'remove', 'cut', 'move', 'move', 'replicas', 'restart'),
    worker: fc.nat(machines - 1),
    flag: fc.boolean(),
  });
  let acknowledged = 0;
  let promoted = 0;
  fc.assert(
    fc.property(fc.array(happening, { minLength: 60, maxLength: 120, size: 'max' }), (happenings) => {
      const played = new PlayedHistory();
      for (let worker = 0; worker < machines; worker += 1)
        played.play({ kind: 'hello', worker, flag: false });
      played.play({ kind: 'change', worker: 0, flag: false });
      played.play({ kind: 'replicas', worker: 1, flag: false });
      for (const one of happenings) played.play(one);
      acknowledged += played.acknowledgedChanges;
      promoted += played.promotions;
    }),
    { numRuns: 20, seed: 43 },
  );
  // It is of no use where nothing ever happens.
  expect(acknowledged).toBeGreaterThan(30);
  expect(promoted).toBeGreaterThan(0);
});
