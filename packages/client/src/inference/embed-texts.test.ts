/** Texts as vectors: the worker's data endpoint is real, its model's answers are the test's. */
import { beforeEach, expect, it } from 'vitest';
import {
  counts,
  inferenceOf,
  PlayedBroker,
  type PlayedTask,
  type PlayedWorker,
} from '../inference.fixture.ts';
import type { Inference } from '../inference.ts';
import { embedTexts } from './embed-texts.ts';

const model = { name: 'words', serving: { slotTokens: 10, slots: 1, kvType: 'f16' } } as const;
let broker: PlayedBroker;
let worker: PlayedWorker;
let inference: Inference;
beforeEach(async () => {
  broker = new PlayedBroker();
  worker = await broker.worker('w-0000000000000001');
  inference = inferenceOf(broker);
});

interface Request {
  readonly input: readonly string[];
}

/** What the nth question was, answered by what `answer` makes of it. */
async function answered(nth: number, answer: (input: readonly string[]) => { status: number; body: object }) {
  const task: PlayedTask = await broker.asked(nth);
  const { input } = JSON.parse(Buffer.from(task.body.request ?? []).toString()) as Request;
  const { status, body } = answer(input);
  broker.begin(task, worker);
  const writer = worker.answer(task);
  writer.head(status, 'application/json');
  await writer.write(Buffer.from(JSON.stringify(body)));
  await writer.end(null);
  broker.end(task, null, { ...counts, status });
  return input;
}

const base64 = (...values: readonly number[]) =>
  Buffer.from(Float32Array.from(values).buffer).toString('base64');
const vectorsOf = (input: readonly string[]) => ({
  status: 200,
  body: { data: input.map((text, index) => ({ index, embedding: base64(text.length, 1) })).reverse() },
});
const tooLong = (tokens: number) => ({
  status: 500,
  body: {
    error: {
      code: 500,
      message: `input (${tokens} tokens) is too large to process. increase the batch size`,
    },
  },
});

it('are asked together, and come in their order', async () => {
  const embedded = embedTexts(inference, model, ['one', 'three']);
  expect(await answered(1, vectorsOf)).toEqual(['one', 'three']);
  expect(await embedded).toEqual({ vectors: [new Float32Array([3, 1]), new Float32Array([5, 1])], cut: 0 });
});

it('have before them what the model wants before such', async () => {
  const prefixed = { ...model, prefixes: { query: 'query: ', passage: 'passage: ' } };
  for (const [nth, as] of (['query', 'passage'] as const).entries()) {
    const embedded = embedTexts(inference, prefixed, ['one'], { as });
    expect(await answered(nth + 1, vectorsOf)).toEqual([`${as}: one`]);
    await embedded;
  }
  const raw = embedTexts(inference, prefixed, ['one']);
  expect(await answered(3, vectorsOf)).toEqual(['one']);
  await raw;
});

it('are read as numbers too', async () => {
  const embedded = embedTexts(inference, model, ['one']);
  await answered(1, () => ({ status: 200, body: { data: [{ index: 0, embedding: [0.5, 0.25] }] } }));
  expect((await embedded).vectors).toEqual([new Float32Array([0.5, 0.25])]);
});

it('that are too long are cut until there is room, each for itself', async () => {
  const embedded = embedTexts(inference, model, ['one', 'x'.repeat(40)]);
  await answered(1, () => tooLong(20));
  expect(await answered(2, vectorsOf)).toEqual(['one']);
  await answered(3, () => tooLong(20));
  expect(await answered(4, () => tooLong(12))).toEqual(['x'.repeat(19)]);
  expect(await answered(5, vectorsOf)).toEqual(['x'.repeat(15)]);
  expect(await embedded).toMatchObject({ cut: 1, vectors: [{ 0: 3 }, { 0: 15 }] });
});

it('that have no vectors are an error, with what the server says', async () => {
  const refused = embedTexts(inference, model, ['one']);
  const refusal = expect(refused).rejects.toThrow('words answers 400: no embeddings');
  await answered(1, () => ({ status: 400, body: { error: { message: 'no embeddings here' } } }));
  await refusal;
  const empty = embedTexts(inference, model, ['one', 'two']);
  const lacks = expect(empty).rejects.toThrow('without a vector for each');
  await answered(2, () => ({ status: 200, body: { data: [{ index: 0, embedding: base64(0, 0) }] } }));
  await lacks;
});
