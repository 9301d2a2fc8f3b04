/** The whole core under a broker that says anything and an executor that keeps its word. */
import type { DeviceUuid } from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { WorkerEffect } from './effects.ts';
import { type Fence, keyOf } from './fence.ts';
import { nameOfTransition, phaseTransitions } from './phases.ts';
import { facts, fence, starts, stopped, stops, success, WorkerUnderTest } from './worker-core.fixture.ts';

const GiB = 1024 ** 3;
const part = { uuid: 'GPU-1' as DeviceUuid, vramBytes: 3 * GiB, whole: false };
const tasks = fc.integer({ min: 1, max: 3 });
const actions = fc.oneof(
  fc.record({
    do: fc.constant('lease' as const),
    task: tasks,
    seq: fc.integer({ min: 1, max: 8 }),
    bad: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  fc.record({ do: fc.constant('cancel' as const), task: tasks, seq: fc.integer({ min: 0, max: 8 }) }),
  fc.record({ do: fc.constant('drain' as const), task: tasks, seq: fc.integer({ min: 0, max: 8 }) }),
  fc.record({ do: fc.constant('drop' as const), task: tasks, seq: fc.integer({ min: 0, max: 8 }) }),
  fc.record({ do: fc.constant('ack' as const), task: tasks }),
  fc.record({ do: fc.constant('hello' as const) }),
  fc.record({ do: fc.constant('closed' as const) }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.constantFrom(500, 6000, 20_000) }),
  fc.record({
    do: fc.constant('look' as const),
    times: fc.integer({ min: 1, max: 3 }),
    freeGiB: fc.integer({ min: 0, max: 6 }),
    usedGiB: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 3, maxLength: 3 }),
  }),
  fc.record({ do: fc.constant('started' as const), task: tasks }),
  fc.record({ do: fc.constant('exited' as const), task: tasks }),
  fc.record({
    do: fc.constant('served' as const),
    task: tasks,
    state: fc.constantFrom('starting' as const, 'healthy' as const, 'unhealthy' as const),
  }),
  fc.record({ do: fc.constant('startFailed' as const), task: tasks }),
);
type Action = typeof actions extends fc.Arbitrary<infer A> ? A : never;
const found = fc.constantFrom('nothing', 'running', 'stopping', 'ended');

/** Keeps an executor's promises: one end for each start, `started` at most once and before it. */
class ModelExecutor {
  readonly begun = new Map<string, number>();
  readonly live = new Map<string, 'starting' | 'running'>();

  perform(effects: readonly WorkerEffect[]): void {
    for (const order of starts(effects)) {
      const key = keyOf(order.fence);
      this.begun.set(key, (this.begun.get(key) ?? 0) + 1);
      this.live.set(key, 'starting');
    }
  }
}

/** That finds the same so many times, and ends nobody who holds no more than its part. */
function look(
  worker: WorkerUnderTest,
  { times, freeGiB, usedGiB }: Extract<Action, { do: 'look' }>,
): readonly WorkerEffect[] {
  const usedBy = new Map(usedGiB.map((gib, index) => [keyOf(fence(index + 1)), gib * GiB]));
  const device = { uuid: part.uuid, name: 'a card', freeBytes: freeGiB * GiB, usedBy };
  const effects: WorkerEffect[] = [];
  for (let time = 0; time < times; time += 1) {
    worker.mono += 3000;
    effects.push(...worker.step({ kind: 'devicesSeen', devices: [device] }));
  }
  for (const { fence: of } of stops(effects)) {
    const reserved = worker.state.attempts.get(keyOf(of))?.facts.reservation.devices[0]?.vramBytes ?? 0;
    expect(usedBy.get(keyOf(of))).toBeGreaterThan(reserved);
  }
  return effects;
}

function act(worker: WorkerUnderTest, executor: ModelExecutor, action: Action): readonly WorkerEffect[] {
  if (!('task' in action)) {
    if (action.do === 'hello') return worker.open();
    if (action.do === 'look') return look(worker, action);
    return action.do === 'closed' ? worker.step({ kind: 'sessionClosed' }) : worker.tick(action.ms);
  }
  const of: Fence = fence(action.task);
  const phase = executor.live.get(keyOf(of));
  switch (action.do) {
    case 'lease': {
      const broken = action.bad ? { envelope: new Uint8Array([0xc1]) } : {};
      const timeoutMs = action.task === 1 ? 5000 : 0;
      return worker.hear(
        worker.leaseOf(of, { leaseSeq: action.seq, devices: [part], ...broken }, { timeoutMs }),
      );
    }
    case 'cancel':
    case 'drain':
    case 'drop':
      return worker.stop(of, action.do, action.seq);
    case 'ack':
      return worker.ack(of);
    case 'started':
      if (phase !== 'starting') return [];
      executor.live.set(keyOf(of), 'running');
      return worker.step({ kind: 'started', fence: of });
    case 'startFailed':
      if (phase !== 'starting') return [];
      executor.live.delete(keyOf(of));
      return worker.step({
        kind: 'startFailed',
        fence: of,
        failure: { code: 'execution.start', message: 'it cannot' },
      });
    case 'served': {
      const service = { ports: [], health: { state: action.state, words: '' } };
      return worker.step({ kind: 'served', fence: of, service });
    }
    case 'exited':
      if (phase === undefined) return [];
      executor.live.delete(keyOf(of));
      return worker.exit(of, action.task % 2 === 0 ? success : stopped);
  }
}

it('never starts an attempt twice in a session, never loses one, and every transition can happen', {
  timeout: 60_000,
}, () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(found, fc.array(actions, { maxLength: 80, size: 'max' }), (before, script) => {
      const worker = new WorkerUnderTest();
      const executor = new ModelExecutor();
      if (before !== 'nothing') {
        const as =
          before === 'ended'
            ? { phase: 'ended' as const, ranMs: 0, exit: success }
            : { phase: 'running' as const, ranMs: 0 };
        const stopping = before === 'stopping' ? 'leaseLost' : null;
        worker.step({ kind: 'adopted', attempts: [{ fence: fence(1), facts, stopping, found: as }] });
        if (as.phase === 'running') executor.live.set(keyOf(fence(1)), 'running');
      }
      worker.open();
      for (const action of script) {
        const live = new Map(executor.live);
        const effects = act(worker, executor, action);
        executor.perform(effects);
        for (const order of starts(effects)) expect(live.has(keyOf(order.fence))).toBe(false);
        // What runs is known, and what is known to run runs.
        for (const key of executor.live.keys()) {
          expect(worker.state.attempts.get(key)?.phase).toMatch(/starting|running|stopping/);
        }
        for (const [key, { phase, result }] of worker.state.attempts) {
          expect(executor.live.has(key)).toBe(phase !== 'ended');
          expect(result !== null).toBe(phase === 'ended');
        }
      }
      for (const name of worker.state.reached.keys()) reached.add(name);
    }),
    { numRuns: 2000, seed: 20_261_121 },
  );
  expect(phaseTransitions.map(nameOfTransition).filter((name) => !reached.has(name))).toEqual([]);
});
