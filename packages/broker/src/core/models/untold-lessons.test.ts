/** What ephemeral questions teach outlives the broker, and costs the journal next to nothing. */
import { encodeBody } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import { decodeDecisions, encodeDecisions } from '../../records.ts';
import { decided } from '../record/decisions.ts';
import type { Task } from '../state.ts';
import { add, beginGrid, fence, grid, instance, ready, request, serving } from './instances.fixture.ts';

const minuteMs = 60_000;
let worker: ReturnType<typeof grid.worker>;
beforeEach(() => {
  beginGrid();
  worker = grid.worker('w-1', serving);
  add();
  request();
  grid.pass(2000, [worker]);
  ready(worker, instance());
  answered(asking(), 800);
});

const asking = () =>
  [...grid.state.tasks.values()].find(({ spec }) => spec.envelope.kind === 'infer') as Task;

function answered(task: Task, ranMs: number): void {
  const tokens = { prompt: 1, cached: 0, output: 100 };
  const told = { status: 200, firstMs: 1, restMs: 1, outputMs: ranMs, tokens };
  const outcome = encodeBody({ result: new TextEncoder().encode(JSON.stringify(told)) });
  const result = { kind: 'result', ...fence(task), exitCode: 0, failure: null, ranMs, outcome };
  grid.say(worker, result as never);
}

const ask = (times: number, ranMs: number) => {
  for (let each = 0; each < times; each += 1) answered(request(), ranMs);
};
const written = () =>
  grid.groups.filter(([, [kind, , , , taught]]) => kind === decided.keysForgotten && taught);
const known = ({ state }: typeof grid) => ({
  classes: state.learned.runs.save().classes,
  lessons: state.models.lessons.save(),
});
const p50Ms = ({ state }: typeof grid) => state.learned.runs.run('infer tiny', 'w-1 tiny')?.p50Ms ?? 0;

it.each([false, true])('is known after a restart (through a snapshot: %s)', (through) => {
  ask(5, 800);
  grid.pass(1000, [worker]);
  const { classes, lessons } = known(grid);
  // Of the speeds one is how long its answers are.
  expect([classes?.length, lessons.speeds.length, lessons.loads?.length]).toEqual([1, 2, 1]);
  const restarted = grid.restart(through);
  expect(known(restarted)).toEqual({ classes, lessons });
  expect(p50Ms(restarted) / p50Ms(grid)).toBeCloseTo(1, 1);
});

it('is written as it is read', () => {
  ask(5, 800);
  grid.pass(1000, [worker]);
  const decisions = written().map(([, decision]) => decision);
  expect(decisions.length).toBeGreaterThan(0);
  expect(decodeDecisions(encodeDecisions(decisions))).toEqual(decisions);
});

it('is written seldom: once a minute while it changes, and not while it stays', () => {
  const perMinute = (ms: (nth: number) => number) =>
    Array.from({ length: 6 }, (_, nth) => {
      const before = written().length;
      for (let each = 0; each < 10; each += 1) {
        ask(10, ms(nth));
        grid.pass(minuteMs / 10, [worker]);
      }
      return written().length - before;
    });
  const changing = perMinute((nth) => 100 * 2 ** nth);
  // A class, a speed and a length have a line each, and not always in the same minute.
  expect(Math.max(...changing)).toBeLessThanOrEqual(3);
  expect(changing.every((count) => count > 0)).toBe(true);
  perMinute(() => 3000);
  expect(perMinute(() => 3000).reduce((sum, count) => sum + count)).toBeLessThanOrEqual(2);
});

it('is gone on with by what the journal has of later tasks', () => {
  ask(5, 800);
  grid.pass(1000, [worker]);
  answered(request('tiny', { durable: true }), 1600);
  expect(known(grid.restart())).toEqual(known(grid));
});
