/** Questions and their answers: workers' data endpoints are real, the broker is played. */
import { type AttemptNo, failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  counts,
  inferenceOf,
  PlayedBroker,
  type PlayedWorker,
  question,
  textOf,
} from './inference.fixture.ts';
import type { Inference } from './inference.ts';

let broker: PlayedBroker;
let worker: PlayedWorker;
let inference: Inference;
beforeEach(async () => {
  broker = new PlayedBroker();
  worker = await broker.worker('w-0000000000000001');
  inference = inferenceOf(broker);
});

const text = (words: string) => Buffer.from(words);

/** Asked, placed, and its first piece there. */
async function begun(nth = 1) {
  const answer = inference.ask(question());
  const task = await broker.asked(nth);
  broker.begin(task, worker);
  const writer = worker.answer(task);
  writer.head(200, 'text/event-stream');
  await writer.write(text('one '));
  await answer.head;
  return { answer, task, writer };
}

describe('an answer', () => {
  it('comes with its head, its bytes and its counts', async () => {
    const { answer, task, writer } = await begun();
    expect(await answer.task).toBe(task.task);
    expect(await answer.head).toEqual({ status: 200, contentType: 'text/event-stream' });
    const whole = textOf(answer.body);
    await writer.write(text('two'));
    await writer.end(null);
    broker.end(task);
    expect(await whole).toBe('one two');
    expect(await answer.result).toEqual(counts);
    expect(broker.cancelled.size).toBe(0);
  });

  it('is asked for as an ephemeral task of its model that holds nothing', async () => {
    inference.ask(question({ name: 'a chat', priority: 3 }));
    const task = await broker.asked(1);
    broker.accept(task);
    expect(task.envelope).toMatchObject({
      ...{ kind: 'infer', model: 'tiny', durable: false, name: 'a chat', priority: 3 },
      ...{ taskClass: 'infer tiny', resources: { cpuMilli: 0, memoryBytes: 0 }, retries: { limit: 1 } },
    });
    expect(task.envelope.queueTimeoutMs).toBeGreaterThan(0);
    expect(task.body.path).toBe('/v1/chat/completions');
    expect(Buffer.from(task.body.request ?? []).toString()).toBe('{"messages":[]}');
  });

  it('to a question that no body holds is given when the worker has had all of it', async () => {
    const request = Buffer.alloc(1_000_000, '{"messages":[]} ');
    const answer = inference.ask(question({ request }));
    const task = await broker.asked(1);
    expect(task.body).toMatchObject({ requestBytes: request.length });
    expect(task.body.request).toBeUndefined();
    broker.begin(task, worker);
    const signal = new AbortController().signal;
    const lost = await worker.answer(task).question(request.length, signal);
    expect(Buffer.compare(lost as Uint8Array, request)).toBe(0);
    // The attempt is lost with what it was sent, and the next one wants it again.
    const second = await broker.worker('w-0000000000000002');
    broker.place(task, second, 2);
    const writer = second.answer(task, 2);
    expect(await writer.question(request.length, signal)).toHaveLength(request.length);
    await writer.write(text('yes'));
    await writer.end(null);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('yes');
  });

  it('says how its prompt begins, where several workers have answered for the model', async () => {
    const other = await broker.worker('w-0000000000000002');
    const asked = [];
    for (const [nth, place] of [worker, other, worker].entries()) {
      inference.ask(question({ request: Buffer.from('{"messages":[{"role":"user","content":"Hello"}]}') }));
      const task = await broker.asked(nth + 1);
      broker.begin(task, place);
      const writer = place.answer(task);
      await writer.write(text('one '));
      await writer.end(null);
      asked.push(task.envelope.prefix);
    }
    expect(asked).toEqual([undefined, undefined, [expect.stringMatching(/^[0-9a-f]{16}$/)]]);
  });

  it('shares its connection with the others of its worker', async () => {
    const first = await begun(1);
    const second = await begun(2);
    for (const { writer, task } of [second, first]) {
      await writer.write(text(`of ${task.task}`));
      await writer.end(null);
      broker.end(task);
    }
    expect(await textOf(first.answer.body)).toBe('one of 1');
    expect(await textOf(second.answer.body)).toBe('one of 2');
    expect(worker.streams).toBe(1);
  });

  it('that is not taken holds up no other, and is given up when too much of it waits, as of older workers', async () => {
    worker.isOlder = true;
    const stuck = await begun(1);
    const other = await begun(2);
    for (let nth = 0; nth < 17; nth += 1) await stuck.writer.write(Buffer.alloc(64 * 1024));
    await broker.untilCancelled(stuck.task);
    await expect(textOf(stuck.answer.body)).rejects.toMatchObject({ failure: { code: 'rejected.limit' } });
    await other.writer.end(null);
    broker.end(other.task);
    expect(await textOf(other.answer.body)).toBe('one ');
  });

  it('may be in the result where a worker has no channels', async () => {
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.begin(task, worker);
    broker.end(task, null, { ...counts, status: 400, body: '{"error":"no"}' });
    expect(await textOf(answer.body)).toBe('{"error":"no"}');
    expect(await answer.head).toEqual({ status: 400, contentType: 'application/json' });
  });

  it('that is there before the broker has said so waits for that word', async () => {
    await begun();
    const answer = inference.ask(question());
    const task = await broker.asked(2);
    const writer = worker.answer(task);
    writer.head(200, 'text/plain');
    await writer.write(text('early'));
    await writer.end(null);
    broker.begin(task, worker);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('early');
  });

  it('of a task that ended before anybody was told where is looked up', async () => {
    await begun();
    const answer = inference.ask(question());
    const task = await broker.asked(2);
    broker.accept(task);
    await answer.task;
    const writer = worker.answer(task);
    await writer.write(text('quick'));
    await writer.end(null);
    broker.placeSilently(task, worker);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('quick');
  });

  it('takes nothing from a worker that has not got the task', async () => {
    const other = await broker.worker('w-0000000000000002');
    const elsewhere = inference.ask(question());
    const there = await broker.asked(1);
    broker.begin(there, other);
    await other.answer(there).write(text('x'));
    await elsewhere.head;
    const answer = inference.ask(question());
    const task = await broker.asked(2);
    broker.begin(task, worker);
    const liar = other.answer(task);
    await liar.write(text('lies'));
    await liar.end(null);
    const writer = worker.answer(task);
    await writer.write(text('truth'));
    await writer.end(null);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('truth');
  });
});

describe('an attempt that is lost', () => {
  it('before its first byte is begun again elsewhere, unseen', async () => {
    const other = await broker.worker('w-0000000000000002');
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.begin(task, worker);
    const lost = worker.answer(task);
    lost.head(200, 'text/plain');
    await lost.end(failure('execution.model', 'it went away'));
    broker.place(task, '');
    broker.place(task, other, 2);
    const writer = other.answer(task, 2);
    writer.head(200, 'text/html');
    await writer.write(text('whole'));
    await writer.end(null);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('whole');
    expect(await answer.head).toEqual({ status: 200, contentType: 'text/html' });
    expect(broker.cancelled.size).toBe(0);
  });

  it('after its first byte is an error, behind what had come, and the task is cancelled', async () => {
    const { answer, task } = await begun();
    await worker.stop();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const bytes of answer.body) seen.push(Buffer.from(bytes).toString());
    })();
    await expect(reading).rejects.toMatchObject({ failure: { code: expect.stringMatching(/^lost\./) } });
    expect(seen).toEqual(['one ']);
    await expect(answer.result).rejects.toThrow();
    await broker.untilCancelled(task);
  });

  it('with its end told as failed is an error', async () => {
    const { answer, writer } = await begun();
    await writer.end(failure('execution.model', 'it went away'));
    await expect(textOf(answer.body)).rejects.toMatchObject({ failure: { code: 'execution.model' } });
  });

  it('by a worker that was restarted goes on with its next life', async () => {
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.begin(task, worker);
    await worker.restart();
    broker.place(task, worker, 2);
    const writer = worker.answer(task, 2);
    await writer.write(text('again'));
    await writer.end(null);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('again');
  });

  it('by a worker that is away waits for the broker’s word, however long', async () => {
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.workers.delete(worker.id);
    broker.begin(task, worker);
    await broker.untilAway(6);
    broker.workers.set(worker.id, worker);
    broker.place(task, worker, 2);
    const writer = worker.answer(task, 2);
    await writer.write(text('at last'));
    await writer.end(null);
    broker.end(task);
    expect(await textOf(answer.body)).toBe('at last');
  });

  it('whose answer had come whole changes nothing', async () => {
    const { answer, task, writer } = await begun();
    await writer.end(null);
    expect(await textOf(answer.body)).toBe('one ');
    broker.place(task, worker, 2 as AttemptNo);
    broker.end(task);
    expect(await answer.result).toEqual(counts);
  });
});

describe('who asks', () => {
  it('gives an answer up by its signal', async () => {
    const stop = new AbortController();
    const answer = inference.ask(question(), { signal: stop.signal });
    const task = await broker.asked(1);
    broker.begin(task, worker);
    stop.abort();
    await expect(textOf(answer.body)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    await broker.untilCancelled(task);
  });

  it('gives it up by taking no more', async () => {
    const { answer, task } = await begun();
    for await (const _ of answer.body) break;
    await broker.untilCancelled(task);
  });

  it('is told how far it is', async () => {
    const seen: string[] = [];
    inference.ask(question(), { onChange: ({ state, worker: at }) => seen.push(`${state} ${at}`) });
    const task = await broker.asked(1);
    broker.accept(task);
    await Promise.resolve();
    broker.place(task, '');
    broker.place(task, worker);
    expect(seen).toEqual(['waiting ', `leased ${worker.id}`]);
  });

  it('is told why a worker cannot be asked', async () => {
    broker.refusal = failure('rejected.forbidden', 'whoever this is has been revoked');
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.begin(task, worker);
    await expect(textOf(answer.body)).rejects.toMatchObject({ failure: broker.refusal });
    await broker.untilCancelled(task);
  });

  it('is told why the task ended', async () => {
    const answer = inference.ask(question());
    const task = await broker.asked(1);
    broker.accept(task);
    broker.end(task, failure('unplaceable.timeout', 'no instance in 10 minutes'));
    await expect(answer.head).rejects.toMatchObject({ failure: { code: 'unplaceable.timeout' } });
    await expect(answer.result).rejects.toMatchObject({ failure: { code: 'unplaceable.timeout' } });
  });

  it('is told what makes no sense before anything is sent', () => {
    expect(() => inference.ask(question({ path: '/v1/embeddings' }))).toThrow(
      'body.path: expected one of /v1/chat/completions',
    );
    expect(() => inference.ask(question({ model: 'no model' }))).toThrow('model: expected 1 to 64 of');
  });

  it('has what is under way given up when it closes', async () => {
    const { answer, task } = await begun();
    await inference.close();
    await expect(textOf(answer.body)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    await broker.untilCancelled(task);
    await inference.close();
  });
});
