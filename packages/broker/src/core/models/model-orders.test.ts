/** What is asked and ordered of models, and what a restart makes of it. */
import type { Failure, ModelDocument, ModelSpec, SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { heldOf } from '../workers/artifacts.ts';
import { MiB, modelSpec } from './models.fixture.ts';

let grid: CoreFixture;
let admin: SessionId;
let asked = 0;

beforeEach(() => {
  grid = new CoreFixture();
  admin = grid.client();
});

function ask(op: string, args: object, session = admin): { result: unknown; failure: Failure | null } {
  asked += 1;
  const [reply] = sent(grid.say(session, { kind: 'request', id: asked, op, args }), 'reply');
  if (reply === undefined) throw new Error(`${op} is not answered`);
  return reply;
}
const add = (model: ModelSpec) => ask('addModel', { model });
const known = () => ask('models', {}).result as ModelDocument[];

describe('a model that was added', () => {
  it('is listed with who added it, and what became of it', () => {
    add(modelSpec());
    expect(known()).toMatchObject([{ name: 'tiny', owner: 'p-1', instances: [], waiting: 0, trouble: '' }]);
  });

  it('is there once, however often it was ordered', () => {
    add(modelSpec());
    const decisions = grid.groups.length;
    expect(add(modelSpec()).failure).toBeNull();
    expect(grid.groups).toHaveLength(decisions);
  });

  it('takes the place of another of its name', () => {
    add(modelSpec());
    add(modelSpec({ idleMs: 5 }));
    expect(known()).toMatchObject([{ idleMs: 5 }]);
  });

  it('is known to those who replay, and to those who read a snapshot', () => {
    add(modelSpec());
    add(modelSpec({ name: 'other' }));
    ask('removeModel', { name: 'other' });
    for (const after of [grid.restart(), grid.restart(true)])
      expect([...after.state.models.known]).toEqual([...grid.state.models.known]);
  });

  it('has its file kept, until it is removed', () => {
    const { artifact } = modelSpec();
    add(modelSpec());
    expect(heldOf(grid.state, [artifact.digest, 'sha256:other'])).toEqual(new Set([artifact.digest]));
    ask('removeModel', { name: 'tiny' });
    expect(heldOf(grid.state, [artifact.digest])).toEqual(new Set());
    expect(ask('removeModel', { name: 'tiny' }).result).toEqual({ removed: 'tiny' });
  });
});

describe('what cannot be', () => {
  it('more instances at least than at most is refused', () => {
    const { failure } = add(modelSpec({ replicas: { min: 2, max: 1 } }));
    expect(failure?.message).toBe('addModel: replicas.min is 2, at most replicas.max, which is 1');
  });

  it('a name that nobody knows is refused with those that are called nearly so', () => {
    for (const name of ['llama3', 'llama4', 'qwen3', 'bge']) add(modelSpec({ name }));
    const { failure } = ask('loadModel', { name: 'lama3' });
    expect(failure).toEqual({
      code: 'rejected.not-found',
      message: 'no model "lama3" on this grid: it has llama3, llama4, qwen3, and 1 more',
    });
  });

  it('in a stall nothing is ordered, and what was ordered before is not belied', () => {
    add(modelSpec());
    grid.step({ kind: 'journalStalled', stalled: true });
    expect(add(modelSpec({ name: 'other' })).failure?.code).toBe('unplaceable.journal');
    const again = { kind: 'request', id: 999, op: 'addModel', args: { model: modelSpec() } } as const;
    expect(sent(grid.say(admin, again), 'reply')).toEqual([]);
    expect(known()).toHaveLength(1);
  });

  it('who is no admin orders nothing, and may look', () => {
    const submitter = grid.client('submitter', 'c2', 'p-2');
    expect(ask('addModel', { model: modelSpec() }, submitter).failure?.code).toBe('rejected.forbidden');
    expect(ask('models', {}, submitter).result).toEqual([]);
  });
});

it('is told where it would fit, and nothing is loaded', () => {
  grid.worker('w-1', { memoryBytes: 100 * MiB });
  const { description, serving } = modelSpec({}, 20);
  const plan = ask('planModel', { description, serving }).result;
  expect(plan).toMatchObject({ workers: [{ worker: 'w-1', kind: 'host', devices: [], hostLayers: 3 }] });
  const big = modelSpec({}, 60);
  expect(ask('planModel', { description: big.description, serving }).result).toMatchObject({
    workers: [{ kind: 'no', reasons: [expect.stringMatching(/^w-1 has 100 MiB of memory free, .* short$/)] }],
  });
  expect(grid.state.tasks.size).toBe(0);
});

it.each([
  [{ kind: 'infer', model: 'tyni' }, 'no model "tyni" on this grid: it has tiny'],
  [{ kind: 'embed', model: 'tiny' }, 'model "tiny" is for infer, and this asks it to embed'],
  [{ kind: 'rerank' }, 'a task of kind rerank names its model'],
  [{ kind: 'instance', model: 'tiny' }, /^instances are begun by the broker/],
] as const)('a submission is refused: %o', (over, words) => {
  add(modelSpec());
  const [refused] = sent(grid.submit(admin, 1, over), 'refused');
  expect(refused?.failure.message).toMatch(words);
});

describe('answers of a worker', () => {
  it('are granted where it offers them', () => {
    grid.worker('w-1', { transfers: ['answers'] });
    const effects = grid.say(admin, { kind: 'request', id: 5, op: 'answers', args: { node: 'w-1' } });
    expect(effects).toContainEqual(
      expect.objectContaining({ kind: 'grant', op: 'answers', about: { worker: 'w-1' } }),
    );
  });

  it('are refused where it does not, and where there is none', () => {
    grid.worker('w-1');
    expect(ask('answers', { node: 'w-1' }).failure?.message).toBe(
      'w-1 does not offer answers: grid 0.1.0 runs there',
    );
    expect(ask('answers', { node: 'w-2' }).failure?.code).toBe('rejected.not-found');
  });
});
