/** Who owns the shards of collections: decided once, kept over restarts, and given to another only when the owner is removed. */
import {
  type CollectionDocument,
  type Envelope,
  type Failure,
  type SessionId,
  shardsLabel,
  type WorkerId,
} from '@gryphgen/protocol';
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
    expect(after.state.workers.get('w-2' as WorkerId)?.view.shards).toEqual(new Set(['docs 1']));
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
    grid.worker('w-1', { ...able, labels: { 'collection/docs': 'here' } });
    expect(submit(1).lease?.worker).toBe('w-1');
  });
});
