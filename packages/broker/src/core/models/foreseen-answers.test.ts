/** A question goes where its own prompt is read and its own answer written first. */
import { encodeBody, type SessionId } from '@gryphgen/protocol';
import { beforeEach, expect, it } from 'vitest';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import { foreseenAnswers } from './foreseen-answers.ts';
import {
  add,
  beginGrid,
  fence,
  grid,
  instances,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';

let sessions: ReadonlyMap<string, SessionId>;

/** What each reads and writes in a second. */
const speeds = new Map<string, readonly [reads: number, writes: number]>([
  ['w-1', [10_000, 10]],
  ['w-2', [500, 100]],
]);

beforeEach(() => {
  beginGrid();
  sessions = new Map(['w-1', 'w-2'].map((id) => [id, grid.worker(id, { ...serving, slots: 8 })]));
  add({ replicas: { min: 2, max: 2 } });
  for (let begun = 0; begun < 2; begun += 1) {
    grid.pass(2500, [...sessions.values()]);
    for (const task of instances()) if (task.phase === 'leased') ready(sessionOf(task), task);
  }
  expect(model().instances.map(({ state }) => state)).toEqual(['ready', 'ready']);
});

const sessionOf = ({ lease }: Task): SessionId => sessions.get(lease?.worker ?? '') as SessionId;

/** It took as long as its worker takes for so many tokens. */
function answered(task: Task, prompt: number, output: number): void {
  const [reads, writes] = speeds.get(task.lease?.worker ?? '') ?? [1, 1];
  const [promptMs, outputMs] = [(1000 * prompt) / reads, (1000 * output) / writes];
  const tokens = { prompt, cached: 0, output };
  const told = { status: 200, firstMs: promptMs, restMs: outputMs, promptMs, outputMs, tokens };
  const outcome = encodeBody({ result: new TextEncoder().encode(JSON.stringify(told)) });
  const ranMs = promptMs + outputMs;
  grid.pass(ranMs, [...sessions.values()]);
  const result = { kind: 'result', ...fence(task), exitCode: 0, failure: null, ranMs, outcome };
  grid.say(sessionOf(task), result as never);
}

const asking = (promptBytes: number, maxTokens?: number) =>
  request('tiny', { asks: { promptBytes, ...(maxTokens && { maxTokens }) } });

/** Several at a time, so that both have some. */
function learn(): void {
  for (let round = 0; round < 8; round += 1)
    for (const task of [asking(800), asking(800), asking(800), asking(800)]) answered(task, 100, 50);
}

it('by what is known of reading and writing there, and what it tells of itself', () => {
  expect(foreseenAnswers(grid.state, { model: 'tiny', asks: { promptBytes: 80_000 } })).toBeUndefined();
  learn();
  const [reader, writer] = [asking(80_000, 2), asking(80, 1000)];
  expect([reader.lease?.worker, writer.lease?.worker]).toEqual(['w-1', 'w-2']);
  expect(explainDocument(grid.state, reader, grid.wall).decision).toContain(
    'for a prompt of about 10000 tokens and an answer of 2',
  );
  const foreseen = foreseenAnswers(grid.state, {
    model: 'tiny',
    asks: { promptBytes: 80_000, maxTokens: 2 },
  });
  expect(foreseen?.('w-1' as never)).toBeCloseTo(1200, -2);
  expect(foreseen?.('w-2' as never)).toBeCloseTo(20_020, -2);
});

it('a question that tells nothing of itself is expected as others of its class', () => {
  learn();
  expect(foreseenAnswers(grid.state, { model: 'tiny' })).toBeUndefined();
  expect(explainDocument(grid.state, request(), grid.wall).decision).not.toContain('for a prompt');
});
