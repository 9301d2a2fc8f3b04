/** Who owns the shards of collections: decided once, kept over restarts, and given to another only when the owner is removed. */
import {
  type CollectionDocument,
  type Envelope,
  type Failure,
  type SessionId,
  shardsLabel,
  shardsOnLabel,
  type WorkerId,
} from '@gryphgen/protocol';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { CoreFixture, report, sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';

const labels = { [shardsLabel.name]: shardsLabel.value };
const able = { capabilities: ['ingest', 'retrieve'], labels };

let grid: CoreFixture;
let client: SessionId;
let asked: number;

beforeEach(() => {
  grid = new CoreFixture();
  client = grid.client();
  asked = 0;
});

function ask(op: string, args: object): { result: unknown; failure: Failure | null } {
  asked += 1;
  const [reply] = sent(grid.say(client, { kind: 'request', id: asked, op, args }), 'reply');
  if (reply === undefined) throw new Error(`${op} is not answered`);
  return reply;
}

function placed(name: string, shards?: number): CollectionDocument {
  const { result, failure } = ask('placeCollection', { name, ...(shards !== undefined && { shards }) });
  if (failure !== null) throw new Error(failure.message);
  return result as CollectionDocument;
}
const ownersOf = ({ shards }: CollectionDocument) => shards.map(({ worker, epoch }) => [worker, epoch]);
const known = () => (ask('collections', {}).result as CollectionDocument[]).map(({ name }) => name);

const resources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
function submit(seq: number, index = 0, collection = 'docs'): Task {
  grid.submit(client, seq, { kind: 'ingest', resources, shard: { collection, index } } as Partial<Envelope>);
  return grid.task(seq) as Task;
}

describe('a collection that is placed', () => {
  it('is known from then on, by its owner, however often it is asked for', () => {
    grid.worker('w-1', able);
    grid.worker('w-2', able);
    expect(ownersOf(placed('docs'))).toEqual([['w-1', 1]]);
    const decisions = grid.groups.length;
    expect(ownersOf(placed('docs', 1))).toEqual([['w-1', 1]]);
    expect(grid.groups).toHaveLength(decisions);
    expect(known()).toEqual(['docs']);
  });

  it('goes to those who have fewest shards, in as many as are asked for', () => {
    for (const id of ['w-1', 'w-2', 'w-3']) grid.worker(id, able);
    expect(ownersOf(placed('docs', 4)).map(([worker]) => worker)).toEqual(['w-1', 'w-2', 'w-3', 'w-1']);
    expect(ownersOf(placed('notes'))).toEqual([['w-2', 1]]);
  });

  it('needs a machine that can hold it now', () => {
    expect(ask('placeCollection', { name: 'docs' }).failure?.code).toBe('unplaceable.no-worker');
    grid.worker('w-1', { ...able, labels: {} });
    expect(ask('placeCollection', { name: 'docs', shards: 2 }).failure?.message).toContain('hold shards');
    expect(ownersOf(placed('docs'))).toEqual([['w-1', 1]]);
  });

  it('keeps the number of its shards while anything of it may be there', () => {
    const session = grid.worker('w-1', able);
    placed('docs');
    grid.say(session, {
      kind: 'report',
      seq: 1,
      report: report({ ...able, name: 'w-1', labels: { ...labels, 'collection/docs': 'here' } }),
    });
    expect(ask('placeCollection', { name: 'docs', shards: 2 }).failure).toMatchObject({
      ...{ code: 'rejected.state', message: expect.stringContaining('has one shard') },
    });
    grid.say(session, { kind: 'report', seq: 2, report: report({ ...able, name: 'w-1', labels }) });
    expect(ownersOf(placed('docs', 2))).toEqual([
      ['w-1', 2],
      ['w-1', 2],
    ]);
  });

  it.each([false, true])('is the same to those who replay; by a snapshot: %s', (bySnapshot) => {
    grid.worker('w-1', able);
    grid.worker('w-2', able);
    placed('docs', 3);
    const after = grid.restart(bySnapshot);
    expect([...after.state.collections.known]).toEqual([...grid.state.collections.known]);
    expect(after.state.workers.get('w-2' as WorkerId)?.view.shards).toEqual(
      new Set(['docs 1', 'docs 1 any']),
    );
  });
});

describe('what is there already', () => {
  it('is the worker’s that says so first, and no second one’s', () => {
    grid.worker('w-2', { ...able, labels: { 'collection/docs': 'here' } });
    grid.worker('w-1', { ...able, labels: { 'collection/docs': 'here' } });
    expect(ownersOf(placed('docs'))).toEqual([['w-2', 1]]);
  });

  it('counts by its newest epoch, where the broker knows an older one, or none', () => {
    grid.worker('w-1', { ...able, labels: { 'collection/docs': '1@1 of 2' } });
    grid.worker('w-2', { ...able, labels: { 'collection/docs': '1@3 of 2' } });
    const [docs] = ask('collections', {}).result as CollectionDocument[];
    expect(docs?.shards.map(({ worker, epoch }) => [worker, epoch])).toEqual([
      ['w-2', 3],
      ['', 0],
    ]);
  });
});

describe('a task for a shard', () => {
  it('goes to its owner, by the epoch that the lease names', () => {
    grid.worker('w-1', able);
    grid.worker('w-2', able);
    placed('docs', 2);
    const task = submit(1, 1);
    expect(task.lease?.worker).toBe('w-2');
    const lease = grid.effects.find((effect) => effect.kind === 'lease');
    expect(lease).toMatchObject({ shard: { index: 1, of: 2, epoch: 1 } });
  });

  it('waits for an owner that is away, and says so: nobody else begins a second one', () => {
    const session = grid.worker('w-1', able);
    placed('docs');
    grid.step({ kind: 'sessionClosed', session });
    grid.worker('w-2', able);
    const task = submit(1);
    expect(task.lease).toBeNull();
    expect(ownersOf(placed('docs'))).toEqual([['w-1', 1]]);
    expect(explainDocument(grid.state, task, grid.wall).decision).toContain(
      'docs is held by w-1 (owner epoch 1), which is not connected',
    );
    grid.worker('w-1', able);
    expect(task.lease?.worker).toBe('w-1');
  });

  it('goes to the next owner, in a higher epoch, when the machine was removed', () => {
    grid.worker('w-1', able);
    placed('docs');
    grid.worker('w-2', able);
    grid.say(client, { kind: 'request', id: 900, op: 'removeNode', args: { node: 'w-1' } });
    const task = submit(1);
    expect(task.lease).toBeNull();
    expect(explainDocument(grid.state, task, grid.wall).decision).toContain('whose machine was removed');
    expect(ownersOf(placed('docs'))).toEqual([['w-2', 2]]);
    expect(task.lease?.worker).toBe('w-2');
    grid.worker('w-1', { ...able, labels: { 'collection/docs': 'here' } });
    expect(ownersOf(placed('docs'))).toEqual([['w-2', 2]]);
  });

  it('goes to the owner that was removed and is back before there is another', () => {
    grid.worker('w-1', able);
    placed('docs');
    grid.say(client, { kind: 'request', id: 900, op: 'removeNode', args: { node: 'w-1' } });
    // Its key was revoked: it joined as another worker.
    grid.worker('w-9', { ...able, labels: { 'collection/docs': 'here' } });
    expect(submit(1).lease?.worker).toBe('w-9');
    expect(ownersOf(placed('docs'))).toEqual([['w-9', 1]]);
  });

  it('names whose the collection is, who stays that when another has what was lost placed again', () => {
    grid.worker('w-1', able);
    const holder = grid.worker('w-2', able);
    placed('docs', 2);
    grid.say(holder, {
      kind: 'report',
      seq: 1,
      report: report({ ...able, name: 'w-2', labels: { ...labels, 'collection/docs': '2@1 of 2' } }),
    });
    grid.say(client, { kind: 'request', id: 900, op: 'removeNode', args: { node: 'w-1' } });
    const by = grid.state.collections.known.get('docs')?.by;
    client = grid.client('admin', 'c2', 'p-2');
    expect(ownersOf(placed('docs'))).toEqual([
      ['w-2', 2],
      ['w-2', 1],
    ]);
    expect(grid.state.collections.known.get('docs')?.by).toBe(by);
    const hold = grid.state.collections.holdOf({ collection: 'docs', index: 0 }, 'w-2' as WorkerId, false);
    expect(hold).toMatchObject({ index: 0, of: 2, epoch: 2, by });
  });

  it('is somebody else’s once nothing is in it', () => {
    grid.worker('w-1', able);
    placed('docs');
    const before = grid.state.collections.known.get('docs')?.by;
    client = grid.client('admin', 'c2', 'p-2');
    expect(ownersOf(placed('docs'))).toEqual([['w-1', 1]]);
    expect(grid.state.collections.known.get('docs')?.by).not.toBe(before);
  });
});

it('whatever happens, a shard has one owner in an epoch, its epochs only grow, and it is leased to nobody else', () => {
  const happening = fc.oneof(
    fc.record({ kind: fc.constantFrom('hello', 'hello', 'bye', 'remove', 'rm'), worker: fc.nat(2) }),
    fc.record({ kind: fc.constant('place'), shards: fc.constantFrom(undefined, 1, 2, 3) }),
    fc.record({ kind: fc.constant('submit'), index: fc.nat(2) }),
    fc.record({ kind: fc.constant('restart'), bySnapshot: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(happening, { minLength: 10, maxLength: 60, size: 'max' }), (happenings) => {
      const played = new PlayedShards();
      for (const one of happenings) played.play(one);
    }),
    { numRuns: 100 },
  );
});

type Happening = { readonly kind: string } & Partial<{
  worker: number;
  shards: number | undefined;
  index: number;
  bySnapshot: boolean;
}>;

/** Three machines; what each has of the collection is what it was last leased a change of, until it is taken away. */
class PlayedShards {
  private made = new CoreFixture();
  private session = this.made.client();
  private readonly workers = new Map<string, SessionId>();
  private readonly has = new Map<string, Map<number, { readonly of: number; readonly epoch: number }>>();
  private readonly owners = new Map<string, string>();
  private readonly newest = new Map<number, number>();
  private asked = 0;

  play({ kind, worker = 0, shards, index = 0, bySnapshot = false }: Happening): void {
    const id = `w-${worker}`;
    switch (kind) {
      case 'hello':
        this.workers.set(id, this.made.worker(id, { ...able, labels: { ...labels, ...this.told(id) } }));
        break;
      case 'bye':
        this.close(id);
        break;
      case 'remove':
        this.ask('removeNode', { node: id });
        this.workers.delete(id);
        break;
      case 'rm':
        this.has.clear();
        for (const [name, session] of this.workers)
          this.made.say(session, {
            kind: 'report',
            seq: 1_000_000 + this.asked,
            report: report({ ...able, name }),
          });
        break;
      case 'place':
        this.ask('placeCollection', { name: 'docs', ...(shards !== undefined && { shards }) });
        break;
      case 'submit':
        this.asked += 1;
        this.made.submit(this.session, this.asked, {
          ...{ kind: 'ingest', resources, durable: true, shard: { collection: 'docs', index } },
        });
        break;
      default:
        this.made = this.made.restart(bySnapshot);
        this.workers.clear();
        this.session = this.made.client();
        this.asked = 0;
    }
    this.look();
  }

  private told(id: string): Record<string, string> {
    const held = [...(this.has.get(id) ?? [])];
    const of = Math.max(0, ...held.map(([, one]) => one.of));
    const parts = held
      .filter(([, one]) => one.of === of)
      .map(([at, one]) => ({ index: at, epoch: one.epoch }));
    return of === 0 ? {} : Object.fromEntries([shardsOnLabel('docs', { of, held: parts })]);
  }

  private close(id: string): void {
    const session = this.workers.get(id);
    if (session !== undefined && this.workers.delete(id)) this.made.step({ kind: 'sessionClosed', session });
  }

  private ask(op: string, args: object): void {
    this.asked += 1;
    this.made.say(this.session, { kind: 'request', id: this.asked, op, args });
  }

  private look(): void {
    const { collections, tasks } = this.made.state;
    for (const [index, { worker, epoch }] of (collections.known.get('docs')?.shards ?? []).entries()) {
      if (worker === '') continue;
      const name = `${index} in ${epoch}`;
      expect(this.owners.get(name) ?? worker, name).toBe(worker);
      this.owners.set(name, worker);
      expect(epoch).toBeGreaterThanOrEqual(this.newest.get(index) ?? 0);
      this.newest.set(index, epoch);
    }
    for (const { lease, spec } of tasks.values()) {
      const { shard } = spec.envelope;
      if (lease === null || shard === undefined) continue;
      const hold = collections.holdOf(shard, lease.worker, false);
      // Placed at the owner of its time, whose leases end before there is another.
      expect(hold).toBeDefined();
      if (hold === undefined) continue;
      const has = this.has.get(lease.worker) ?? new Map();
      this.has.set(lease.worker, has.set(shard.index, { of: hold.of, epoch: hold.epoch }));
    }
  }
}
