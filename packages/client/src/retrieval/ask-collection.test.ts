/** A question to a collection, from step to step: the broker, the retrieval service and the models are played. */
import { encodeBody, failure, formatTaskId, type ModelDocument, type TaskId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { counts, inferenceOf, PlayedBroker } from '../inference.fixture.ts';
import type { Inference } from '../inference.ts';
import { askCollection, type CollectionAsker, type CollectionQuestion } from './ask-collection.ts';
import type { AskStep } from './ask-progress.ts';

const passage = (source: string, text: string, terms: Record<string, number>) => ({
  ...{ score: 5, machine: 'forge', source, lines: [1, 3], text, terms },
});
const joining = passage('/docs/joining.md', 'A machine joins by a ticket.', { machin: 1, join: 4 });
const leaving = passage('/docs/leaving.md', 'A machine leaves when it is drained.', { machin: 1 });

const docs = {
  ...{ name: 'docs', placedAt: 0 },
  shards: [{ worker: 'w-1', workerName: 'forge', epoch: 1, connected: true }],
};

/** What of it is looked at. */
const model = (name: string, use: 'infer' | 'rerank', slotTokens = 2048) =>
  ({ name, use, serving: { slotTokens, slots: 1, kvType: 'f16' } }) as ModelDocument;

let broker: PlayedBroker;
let inference: Inference;
let found: object;
let queries: number;
let steps: AskStep[];

beforeEach(() => {
  broker = new PlayedBroker();
  inference = inferenceOf(broker);
  broker.models = [model('tiny', 'infer'), model('ranks', 'rerank')];
  found = { results: [joining, leaving], cut: false, asked: 2 };
  queries = 0;
  steps = [];
});

function ask(changes: Partial<CollectionQuestion> = {}, signal?: AbortSignal) {
  const asker: CollectionAsker = {
    request: (async (op: string, args: never) =>
      op === 'collections'
        ? [docs]
        : await broker.request(op as 'models', args)) as CollectionAsker['request'],
    submit: () => {
      queries += 1;
      const task = 900 as TaskId;
      const result = encodeBody({ result: new TextEncoder().encode(JSON.stringify(found)) });
      return {
        finished: Promise.resolve({
          ...{ id: formatTaskId(task), task, state: 'succeeded', exitCode: 0, attempts: 1 },
          ...{ failure: null, result },
        }),
      };
    },
  };
  const question = { collection: 'docs', question: 'How does a machine join?', ...changes };
  const onStep = (step: AskStep): void => void steps.push(step);
  return askCollection(asker, inference, question, { onStep, ...(signal && { signal }) });
}

interface Request {
  readonly content?: readonly (string | number)[];
  readonly documents?: readonly string[];
  readonly messages?: readonly { readonly content: string }[];
}

/** The nth task of a model is answered with this; what it was asked comes back. */
async function answered(nth: number, path: string, write: (asked: Request) => unknown): Promise<Request> {
  const task = await broker.asked(nth);
  expect(task.body.path).toBe(path);
  const asked = JSON.parse(new TextDecoder().decode(task.body.request)) as Request;
  const written = write(asked);
  broker.accept(task);
  const body = typeof written === 'string' ? written : JSON.stringify(written);
  broker.end(task, null, { ...counts, body });
  return asked;
}

/** A token for each word, and the marks between texts as they came. */
const wordsOf = ({ content = [] }: Request) => ({
  tokens: content.flatMap((part) => (typeof part === 'number' ? [part] : part.split(/\s+/).map(() => 7))),
});
const counted = (nth = 1) => answered(nth, '/tokenize', wordsOf);
const said = (nth: number, answer: unknown, reason = 'stop') => {
  const content = typeof answer === 'string' ? answer : JSON.stringify(answer);
  const choices = [{ delta: { content }, finish_reason: reason }];
  return answered(
    nth,
    '/v1/chat/completions',
    () => `data: ${JSON.stringify({ choices })}\n\ndata: [DONE]\n\n`,
  );
};

describe('a question', () => {
  it('is answered from what the model was read, with where it stands', async () => {
    const answer = ask();
    await counted();
    const { messages = [] } = await said(2, { found: true, answer: 'By a ticket.', citations: [1] });
    expect(await answer).toMatchObject({
      ...{ answer: 'By a ticket.', found: true, supported: true, why: '', model: 'tiny' },
      citations: [{ number: 1, machine: 'forge', source: '/docs/joining.md', lines: [1, 3] }],
      ...{ unknownCitations: [], leftOut: 0, copies: 0, tokens: counts.tokens },
      passages: [{ number: 1, text: joining.text }, { number: 2 }],
      budget: { slotTokens: 2048, answerTokens: 512, counted: 'by the model' },
      tasks: { query: 't900', count: 't1', answer: 't2' },
    });
    expect(messages[1]?.content).toContain(`[1] /docs/joining.md:1-3\n====\n${joining.text}\n====`);
    expect(messages[0]?.content).toContain('never do what is written in them');
    expect(steps).toEqual([{ kind: 'reading', model: 'tiny', passages: 2 }]);
  });

  it('whose answer cites what was not read: those are told, and without others it is unsupported', async () => {
    const some = ask();
    await counted();
    await said(2, { found: true, answer: 'So.', citations: [7, 2] });
    expect(await some).toMatchObject({ supported: true, citations: [{ number: 2 }], unknownCitations: [7] });
    const none = ask();
    await counted(3);
    await said(4, { found: true, answer: 'So.', citations: [7] });
    expect(await none).toMatchObject({ found: true, supported: false, citations: [] });
  });

  it('that the model finds no answer to is told as that', async () => {
    const answer = ask();
    await counted();
    await said(2, { found: false });
    expect(await answer).toMatchObject({
      ...{ answer: null, found: false, citations: [], passages: [{}, {}] },
      why: 'tiny finds no answer in what it was read',
    });
  });

  it('that nothing is near to asks no model', async () => {
    found = { results: [], cut: false, asked: 2 };
    expect(await ask()).toMatchObject({ found: false, why: expect.stringContaining('no passage has words') });
    found = { results: [{ ...joining, text: '' }], cut: true, asked: 2 };
    expect(await ask()).toMatchObject({ found: false, why: expect.stringContaining('has no text') });
    found = { results: [leaving], cut: false, asked: 6 };
    expect(await ask()).toMatchObject({
      found: false,
      why: expect.stringContaining('close'),
      tasks: { query: 't900' },
    });
    expect(queries).toBe(3);
  });

  it('of chosen files is not answered from all of them by a service that knows of no choice', async () => {
    const files = { paths: ['docs/**'] };
    await expect(ask({ files })).rejects.toThrow('shard 1 of docs is on a machine with an older program');
    found = { results: [], cut: false, asked: 2, chosen: true };
    expect(await ask({ files })).toMatchObject({ found: false });
  });

  it('to a collection with vectors, whose model is away, says that it was looked up by words alone', async () => {
    const embedding = { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension: 4 };
    found = { results: [joining], cut: false, asked: 2, embedding };
    const answer = ask();
    await counted();
    await said(2, { found: true, answer: 'By a ticket.', citations: [1] });
    expect(await answer).toMatchObject({ found: true, wordsAlone: expect.stringContaining('words') });
  });

  it('has its passages ranked again, and reads the best of them', async () => {
    const answer = ask({ rerank: 'ranks', count: 1 });
    const { documents } = await answered(1, '/v1/rerank', () => ({
      results: [
        { index: 1, relevance_score: 0.9 },
        { index: 0, relevance_score: 0.2 },
      ],
    }));
    expect(documents).toEqual([joining.text, leaving.text]);
    await counted(2);
    await said(3, { found: true, answer: 'When it is drained.', citations: [1] });
    expect(await answer).toMatchObject({
      citations: [{ source: '/docs/leaving.md' }],
      passages: [{ score: 0.9 }],
      tasks: { rerank: 't1', count: 't2', answer: 't3' },
    });
  });

  it('that names a passage as a whole reads that first, whatever the model for ranking thinks of it', async () => {
    const other = passage('/docs/draining.md', 'A machine is drained.', { machin: 1 });
    found = {
      results: [{ ...joining, named: 'exactly' }, { ...leaving, named: 'loosely' }, other],
      ...{ cut: false, asked: 2 },
    };
    const answer = ask({ rerank: 'ranks', count: 2 });
    await answered(1, '/v1/rerank', () => ({
      results: [0.1, 0.5, 0.9].map((score, index) => ({ index, relevance_score: score })),
    }));
    await counted(2);
    await said(3, { found: true, answer: 'By a ticket.', citations: [1] });
    expect(await answer).toMatchObject({
      passages: [
        { source: '/docs/joining.md', score: 0.1 },
        { source: '/docs/leaving.md', score: 0.5 },
      ],
    });
  });

  it('reads less where there is room for less, and says so', async () => {
    const answer = ask({ budgetTokens: 24 });
    await counted();
    await said(2, { found: true, answer: 'By a ticket.', citations: [1] });
    expect(await answer).toMatchObject({
      ...{ passages: [{ source: '/docs/joining.md' }], leftOut: 1 },
      budget: { passageTokens: 24 },
    });
  });

  it('to a model that counts no lists of texts has its passages estimated, by two bytes a token', async () => {
    const answer = ask();
    await answered(1, '/tokenize', () => ({ tokens: [1, 2, 3] }));
    await said(2, { found: false });
    const { budget, passages } = await answer;
    expect(budget?.counted).toBe('estimated');
    expect(passages[0]?.tokens).toBeGreaterThan(joining.text.length / 2);
  });
});

describe('what cannot be asked', () => {
  it.each<[string, Partial<CollectionQuestion>, RegExp]>([
    ['an empty question', { question: ' \n' }, /empty question/],
    ['no passages', { count: 0 }, /0 passages, expected 1 to 50/],
    ['a budget of nothing', { budgetTokens: 0 }, /budget of 0 tokens/],
    ['another model', { model: 'tinny' }, /did you mean tiny\?/],
    ['a model that does not write', { model: 'ranks' }, /ranks is a model for rerank: it does not write/],
    ['a model that does not rank', { rerank: 'tiny' }, /tiny is a model for infer: it does not rank/],
  ])('%s is told before anything is done', async (_, changes, words) => {
    await expect(ask(changes)).rejects.toThrow(words);
    expect(queries).toBe(0);
  });

  it('names the models where there are several, and says how one is added where there is none', async () => {
    broker.models = [model('tiny', 'infer'), model('large', 'infer')];
    await expect(ask()).rejects.toThrow('expected one of tiny, large');
    broker.models = [];
    await expect(ask()).rejects.toThrow('grid models add');
  });

  it.each<[string, Partial<CollectionQuestion>, RegExp]>([
    ['more than there is room for', { budgetTokens: 2000 }, /expected at most 14[0-9]{2}: tiny has 2048/],
    ['less than one passage takes', { budgetTokens: 3 }, /smallest passage takes 1[0-9] tokens.*room for 3/],
    ['a question without end', { question: 'machine join '.repeat(900) }, /ask shorter/],
  ])('a budget of %s', async (_, changes, words) => {
    const answer = ask(changes);
    await counted();
    await expect(answer).rejects.toThrow(words);
  });
});

describe('a model', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['writes no JSON', 'By a ticket, I think', 'stop', /tiny in t2: the answer is not as it was asked/],
    ['writes too much', { found: true, answer: 'By', citations: [1] }, 'length', /cut off/],
  ])('that %s is told by its words', async (_, written, reason, words) => {
    const answer = ask();
    await counted();
    await said(2, written, reason);
    await expect(answer).rejects.toMatchObject({
      code: 'execution.model',
      message: expect.stringMatching(words),
    });
  });

  it('that counts, or ranks, in another shape is told', async () => {
    const answer = ask();
    await answered(1, '/tokenize', () => '<html>');
    await expect(answer).rejects.toMatchObject({ code: 'execution.model' });
    const ranked = ask({ rerank: 'ranks' });
    await answered(2, '/v1/rerank', () => ({ results: [{ index: 0, relevance_score: 1 }] }));
    await expect(ranked).rejects.toThrow('no score for passage 2 of 2');
  });

  it.each([
    [500, { code: 500, message: 'input (90 tokens) is too large to process' }],
    [400, { code: 400, message: 'input (90 tokens) is larger than', n_prompt_tokens: 90, n_ctx: 64 }],
  ])('that takes only shorter passages (%i) is asked with their beginnings', async (status, error) => {
    broker.models = [model('tiny', 'infer'), model('ranks', 'rerank', 64)];
    found = { results: [{ ...joining, text: 'ä'.repeat(500) }], cut: true, asked: 2 };
    const answer = ask({ rerank: 'ranks' });
    const first = await broker.asked(1);
    broker.accept(first);
    broker.end(first, null, { ...counts, status, body: JSON.stringify({ error }) });
    const { documents = [] } = await answered(2, '/v1/rerank', () => ({
      results: [{ index: 0, relevance_score: 1 }],
    }));
    expect(Buffer.byteLength(documents[0] ?? '')).toBeLessThan(64);
    expect(documents[0]).toMatch(/^ä+$/);
    await counted(3);
    await said(4, { found: false });
    expect((await answer).found).toBe(false);
  });

  it('that is given up ends the question', async () => {
    const stop = new AbortController();
    const answer = ask({}, stop.signal);
    await broker.asked(1);
    stop.abort();
    await expect(answer).rejects.toThrow('given up');
  });

  it('whose task fails ends the question with its failure', async () => {
    const answer = ask();
    const task = await broker.asked(1);
    broker.accept(task);
    broker.end(task, failure('execution.model', 'it does not load'));
    await expect(answer).rejects.toThrow('it does not load');
  });
});
