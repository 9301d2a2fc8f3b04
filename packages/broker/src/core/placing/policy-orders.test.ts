import type { Device, Epoch, PolicyDocument, Quota, SessionId } from '@gryphgen/protocol';
import { defaultPolicy } from '@gryphgen/scheduler';
import { describe, expect, it } from 'vitest';
import { decodeDecisions, decodeSnapshot, encodeDecisions, encodeSnapshot } from '../../records.ts';
import { CoreFixture, betterEvidence as evidence, sent } from '../core.fixture.ts';
import { decided } from '../record/decisions.ts';
import { loadSnapshot, saveSnapshot } from '../record/snapshot.ts';
import type { Task } from '../state.ts';
import { explainDocument } from './explaining.ts';

/** By which speed is all that counts. */
const { version: _, ...shipped } = defaultPolicy;
const bySpeed = { ...shipped, weights: { fit: 0, image: 0, reliability: 0, load: 0, spread: 0, speed: 1 } };

let requests = 0;
function ask(grid: CoreFixture, client: SessionId, op: string, args: unknown) {
  requests += 1;
  const [answer] = sent(grid.say(client, { kind: 'request', id: requests, op, args } as never), 'reply');
  return { document: answer?.result as PolicyDocument | null, failure: answer?.failure };
}
const promote = (grid: CoreFixture, client: SessionId, from = 0) =>
  ask(grid, client, 'promotePolicy', { from, parts: bySpeed, evidence });

/** One worker has a load that its speed makes up for, by one policy and not by the other. */
function twoWorkers(quota: Quota = {}, devices: readonly Device[] = []) {
  const grid = new CoreFixture(1, { everybody: { quota }, named: new Map() });
  const client = grid.client();
  grid.worker('w-many', { speed: 0.5, slots: 64, devices });
  grid.worker('w-swift', { speed: 0.7, slots: 2, devices });
  return { grid, client };
}

describe('a promoted policy', () => {
  it('decides from then on, and what it is shows in every explanation; what was decided before stays as it was', () => {
    const { grid, client } = twoWorkers();
    grid.submit(client, 1);
    const { document } = promote(grid, client);
    expect(document).toMatchObject({ inForce: { version: 1, weights: bySpeed.weights }, previous: 0 });
    grid.submit(client, 2);
    const [before, since] = [1, 2].map((id) => grid.task(id) as Task);
    expect([before?.lease?.worker, since?.lease?.worker]).toEqual(['w-many', 'w-swift']);
    expect(explainDocument(grid.state, before as Task, 0)).toMatchObject({
      policy: 0,
      weights: defaultPolicy.weights,
    });
    expect(explainDocument(grid.state, since as Task, 0)).toMatchObject({
      policy: 1,
      weights: bySpeed.weights,
    });
  });

  it('decides, too, which of the devices that a quota leaves', () => {
    const [large, small] = [12, 6].map((GiB, index) => ({
      ...{
        uuid: `GPU-${index}` as Device['uuid'],
        index,
        name: `card of ${GiB} GiB`,
        vramBytes: GiB * 1024 ** 3,
      },
      ...{ computeCapability: 86, driver: '550', foreignBytes: 0 },
    })) as [Device, Device];
    const { grid, client } = twoWorkers({ vramBytes: 8 * 1024 ** 3 }, [small]);
    grid.worker('w-swiftest', { speed: 0.9, slots: 1, devices: [large] });
    promote(grid, client);
    const resources = {
      cpuMilli: 0,
      memoryBytes: 0,
      diskBytes: 0,
      gpu: { kind: 'whole', count: 1 },
    } as const;
    grid.submit(client, 1, { resources });
    expect(grid.task(1)?.lease).toMatchObject({
      worker: 'w-swift',
      reservation: { devices: [{ uuid: 'GPU-1' }] },
    });
  });

  it.each([false, true])('is in force after a restart, through a snapshot: %s', (throughSnapshot) => {
    const { grid, client } = twoWorkers();
    promote(grid, client);
    grid.submit(client, 1);
    const next = grid.restart(throughSnapshot);
    expect(next.state.policies.save()).toEqual(grid.state.policies.save());
    expect(explainDocument(next.state, next.task(1) as Task, 0)).toMatchObject({
      policy: 1,
      weights: bySpeed.weights,
    });
  });

  it('passes through the bytes of journal and snapshot', () => {
    const { grid, client } = twoWorkers();
    promote(grid, client);
    const decisions = grid.groups.map(([, decision]) => decision);
    expect(decodeDecisions(encodeDecisions(decisions))).toEqual(decisions);
    expect(decisions.map(([kind]) => kind)).toContain(decided.policyChanged);
    const state = loadSnapshot(decodeSnapshot(encodeSnapshot(saveSnapshot(grid.state))), 2 as Epoch);
    expect(state.policies.save()).toEqual(grid.state.policies.save());
  });

  it('is as gryphgen comes with it in what an earlier version did not know of', () => {
    const { grid } = twoWorkers();
    const { corrections: _, ...older } = bySpeed;
    const written = { ...older, version: 1 } as typeof defaultPolicy;
    grid.state.policies.apply({
      kind: 'promoted',
      policy: written,
      at: 1,
      by: '',
      reason: '',
      evidence: null,
    });
    expect(grid.state.policies.inForce).toEqual({ ...bySpeed, version: 1 });
    const { document } = ask(grid, grid.client(), 'promotePolicy', { from: 1, parts: older, evidence });
    expect(document?.inForce).toEqual({ ...bySpeed, version: 2 });
  });

  it('is promoted once, however often it is asked for', () => {
    const { grid, client } = twoWorkers();
    const { document } = promote(grid, client);
    expect(promote(grid, client).document).toEqual(document);
    expect(grid.state.policies.changes).toHaveLength(1);
  });

  it('is refused for another version than is in force', () => {
    const { grid, client } = twoWorkers();
    const { failure } = promote(grid, client, 3);
    expect(failure?.message).toMatch(/version 0 of the placement policy is in force, not 3/);
  });

  it("is refused where the broker's own replay finds no gain, whatever who asks says", () => {
    const { grid, client } = twoWorkers();
    for (const evidenceFound of [null, { ...evidence, gain: -1, leastGain: -2 }]) {
      grid.judgement = { promotes: false, why: 'it is worse', evidence: evidenceFound };
      const { failure } = promote(grid, client);
      expect([failure?.code, failure?.message]).toEqual([
        'rejected.state',
        "a policy is promoted only if the broker's own replay of the history is better with it: it is worse",
      ]);
    }
    grid.judgement = { code: 'rejected.state', message: 'another policy is being judged' };
    expect(promote(grid, client).failure).toEqual(grid.judgement);
    expect(grid.state.policies.inForce).toBe(defaultPolicy);
  });

  it.each(['is gone', 'another came in force', 'one was rolled back', 'the journal stalled'])(
    'is not promoted when, while it was judged, %s',
    (what) => {
      const { grid, client } = twoWorkers();
      promote(grid, client);
      const other = { ...bySpeed, finishWeight: 0.5 };
      grid.judgement = null;
      ask(grid, client, 'promotePolicy', { from: 1, parts: other, evidence });
      const asked = grid.effects.findLast((effect) => effect.kind === 'judgePolicy');
      if (asked?.kind !== 'judgePolicy') throw new Error('it is judged');
      if (what === 'is gone') grid.step({ kind: 'sessionClosed', session: client });
      else if (what === 'the journal stalled') grid.step({ kind: 'journalStalled', stalled: true });
      else ask(grid, client, 'rollBackPolicy', { from: 1 });
      grid.judgement = { promotes: true, why: '', evidence };
      if (what === 'another came in force') promote(grid, client);
      const { kind: _, ...order } = asked;
      grid.step({ kind: 'policyJudged', ...order, judgement: grid.judgement });
      expect(grid.state.policies.inForce.finishWeight).not.toBe(0.5);
    },
  );

  it('is judged beside the one in force, on the machines there are, by what came after a rollback', () => {
    const { grid, client } = twoWorkers();
    promote(grid, client);
    ask(grid, client, 'rollBackPolicy', { from: 1 });
    promote(grid, client);
    const orders = grid.effects.flatMap((effect) => (effect.kind === 'judgePolicy' ? [effect.order] : []));
    expect(orders.map(({ since }) => since)).toEqual([0, grid.wall]);
    expect(orders[0]).toMatchObject({ inForce: { version: 0 }, parts: bySpeed });
    expect(orders[0]?.machines.map(({ id, report }) => [id, report.speed])).toEqual([
      ['w-many', 0.5],
      ['w-swift', 0.7],
    ]);
  });

  it.each([
    ['weights that do not sum to 1', { ...bySpeed, weights: { ...bySpeed.weights, fit: 0.5 } }],
    ['a weight below 0', { ...bySpeed, weights: { ...bySpeed.weights, fit: -0.5, load: 0.5 } }],
    ['a part that is missing', { ...bySpeed, waitGain: undefined }],
  ])('is refused with %s', (_, parts) => {
    const { grid, client } = twoWorkers();
    const { failure } = ask(grid, client, 'promotePolicy', { from: 0, parts, evidence });
    expect(failure?.code).toBe('rejected.invalid');
  });
});

describe('a rollback', () => {
  it('puts the policy before in force again, once, and numbers go on', () => {
    const { grid, client } = twoWorkers();
    promote(grid, client);
    const { document } = ask(grid, client, 'rollBackPolicy', { from: 1 });
    expect(document).toMatchObject({ inForce: defaultPolicy, previous: null });
    expect(document?.changes.map(({ kind, by }) => [kind, by])).toEqual([
      ['promoted', 'p-1'],
      ['rolledBack', 'p-1'],
    ]);
    expect(ask(grid, client, 'rollBackPolicy', { from: 1 }).document).toEqual(document);
    expect(ask(grid, client, 'rollBackPolicy', { from: 0 }).failure?.message).toMatch(/no policy is known/);
    expect(promote(grid, client).document?.inForce.version).toBe(2);
    expect(grid.restart(true).state.policies.save()).toEqual(grid.state.policies.save());
  });
});

/** Ends tasks of one class, each of which took so long from its submission on; half of that before it ran. */
class Stream {
  readonly grid = new CoreFixture();
  readonly client = this.grid.client();
  private readonly worker = this.grid.worker('w-1', { cpuMilli: 1000 });
  private seq = 0;

  run(count: number, ms: (each: number) => number): void {
    for (let each = 0; each < count; each += 1) {
      this.seq += 1;
      this.grid.submit(this.client, this.seq, { taskClass: 'train' });
      const { attempt = 1 } = this.grid.task(this.seq) ?? {};
      this.grid.wall += ms(each) - 1000;
      const { epoch } = this.grid.state;
      this.grid.say(this.worker, { kind: 'started', task: this.seq, attempt, epoch } as never);
      this.grid.wall += 1000;
      this.grid.result(this.worker, this.seq, attempt);
      if (each % 32 === 31) this.grid.pass(500, [this.worker]);
    }
  }

  /** What usual tasks are like is known, and `count` of them have ended. */
  taught(count: number): void {
    this.run(10, usual);
    const { policies } = this.grid.state;
    for (let each = 0; each < count; each += 1) policies.ended(this.grid.wall, usual(each) / 1000);
  }

  get kinds() {
    return this.grid.state.policies.changes.map(({ kind, by }) => [kind, by]);
  }
}

/** 2 s, now and then 3 s. */
const usual = (each: number) => (each % 5 === 0 ? 3000 : 2000);

describe('the broker', () => {
  it('rolls a policy back by itself under which tasks end clearly later, says why, and remembers it', () => {
    const stream = new Stream();
    stream.taught(300);
    promote(stream.grid, stream.client);
    stream.run(280, (each) => 1.6 * usual(each));
    const { policies } = stream.grid.state;
    expect(policies.inForce).toEqual(defaultPolicy);
    expect(stream.kinds).toEqual([
      ['promoted', 'p-1'],
      ['rolledBack', ''],
    ]);
    expect(policies.changes.at(-1)?.reason).toMatch(/of 256 tasks since, .* took 1\.\d\d times as long/);
    const { watch: _, ...remembered } = policies.save();
    for (const throughSnapshot of [false, true])
      expect(stream.grid.restart(throughSnapshot).state.policies.save()).toMatchObject(remembered);
  });

  it('watches on after a restart where it was', () => {
    const stream = new Stream();
    stream.run(80, usual);
    promote(stream.grid, stream.client);
    stream.run(40, usual);
    const { watch } = stream.grid.state.policies.save();
    expect([watch.before.length, watch.since?.length]).toEqual([2, 1]);
    for (const throughSnapshot of [false, true])
      expect(stream.grid.restart(throughSnapshot).state.policies.save().watch).toEqual(watch);
  });

  it('keeps a policy under which they end as before, and does not watch it for ever', () => {
    const stream = new Stream();
    stream.taught(300);
    promote(stream.grid, stream.client);
    const { policies } = stream.grid.state;
    for (let each = 0; each < 1100; each += 1) {
      policies.ended(stream.grid.wall, usual(each) / 1000);
      if (each % 32 === 0) stream.grid.step({ kind: 'tick' });
    }
    expect(stream.kinds).toEqual([['promoted', 'p-1']]);
    expect(policies.watch.isWatching).toBe(false);
  });

  it('does not hold against a policy what was submitted before it', () => {
    const stream = new Stream();
    stream.taught(300);
    const { grid, client } = stream;
    grid.wall += 1;
    promote(grid, client);
    expect(grid.state.policies.watch.save().since).toEqual([]);
    grid.wall += 3_600_000;
    grid.state.policies.ended(grid.wall - 3_600_002, 100);
    expect(grid.state.policies.watch.save().open).toEqual([0, 0]);
    grid.state.policies.ended(grid.wall - 3_600_000, 100);
    expect(grid.state.policies.watch.save().open[1]).toBe(1);
  });
});

it('a journal and a snapshot of before there were policies open, with the one that gryphgen comes with', () => {
  const { grid, client } = twoWorkers();
  grid.submit(client, 1);
  const { policies, ...older } = saveSnapshot(grid.state);
  expect(policies).toBeDefined();
  const state = loadSnapshot(older, 2 as Epoch);
  expect(state.policies.inForce).toBe(defaultPolicy);
  expect(grid.restart().state.policies.inForce).toBe(defaultPolicy);
});
