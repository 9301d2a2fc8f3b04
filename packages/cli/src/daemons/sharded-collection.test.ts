/**
 * A collection that is parted into shards beside the same files in one: real services and stores, asked through the client's
 * fan-out; the broker, who says where shards are, is played.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Found,
  type Inference,
  type Outcome,
  queryCollection,
  type RetrievalAsker,
} from '@gryphgen/client';
import {
  type CollectionDocument,
  decodeEnvelope,
  encodeBody,
  type Failure,
  type IngestBody,
  type LeasedShard,
  type Passage,
  type PrincipalId,
  type TaskId,
  type UnembeddedResult,
} from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { retrievalCalls } from './retrieval-calls.ts';

const name = 'docs';
const of = 3;
const words = [
  'walrus',
  'ocelot',
  'ticket',
  'broker',
  'lease',
  'shard',
  'epoch',
  'machine',
  'journal',
  'model',
];
const questions = [
  ...['walrus', 'walrus ocelot', 'broker lease epoch', 'machine joins journal', 'parseHttpHeader', 'File 17'],
  ...['notes-23', 'file 5 walrus walrus', 'nothing at all', 'shard model ticket broker', 'parse http header'],
];
const dimension = 8;
const embedding = { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension };

let folder: string;
let files: { path: string; entry: object }[];
/** One with everything, then one for each shard. */
let services: RetrievalService[];
const principal = 'p-0123456789abcdef' as PrincipalId;
const other = 'p-fedcba9876543210' as PrincipalId;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-sharded-'));
  await mkdir(join(folder, 'given'));
  files = [];
  for (let at = 0; at < 60; at += 1) {
    const text = written(at);
    const path = at === 7 ? 'header.ts' : `notes-${at}.md`;
    await writeFile(join(folder, 'given', path), text);
    const chunks = createHash('sha256').update(text).digest();
    files.push({ path, entry: { kind: 'file', path, bytes: Buffer.byteLength(text), chunks } });
  }
  services = await Promise.all(
    Array.from({ length: of + 1 }, (_, at) => RetrievalService.open(join(folder, `kept-${at}`))),
  );
  await changed({ op: 'sync', collection: name, source, inputs: [] as never });
}, 120_000);
afterAll(async () => {
  await Promise.all(services.map((service) => service.close()));
  await rm(folder, { recursive: true });
});

const source = { machine: 'forge', path: '/notes' };

/** Each word is in some of the files, and in some often. */
function written(at: number): string {
  if (at === 7) return 'export function parseHttpHeader(line: string) {\n  return line.split(":");\n}\n';
  const lines = Array.from({ length: 1 + (at % 4) }, (_, line) => {
    const some = words.filter((_, word) => ((at + 3) * (word + 5) + line) % 4 === 0);
    const often = words[(at * 7 + line) % words.length] ?? '';
    return `## Part ${line}\n\n${some.join(' ')} ${`${often} `.repeat((at % 3) + 1)}joins ${at % 5 === 0 ? 'twins' : `file ${at}`}.\n`;
  });
  return `# ${at % 9 === 0 ? 'File 17' : `File ${at}`}\n\n${lines.join('\n')}`;
}

const holdOf = (at: number): LeasedShard =>
  at === 0
    ? { collection: name, index: 0, of: 1, epoch: 1, by: principal }
    : { collection: name, index: at - 1, of, epoch: 1, by: principal };

async function answered(
  at: number,
  body: object,
  hold = holdOf(at),
  asker = principal,
): Promise<Uint8Array | Failure> {
  const [ingest, retrieve] = retrievalCalls(Promise.resolve(services[at] as RetrievalService));
  const manifest = { entries: files.map(({ entry }) => entry) };
  const given = [{ path: join(folder, 'given'), manifest }];
  const who = {
    principal: asker,
    byAdmin: false,
    signal: new AbortController().signal,
    tell: () => undefined,
  };
  const order = { ...who, given, shard: hold, body } as never;
  const isQuestion = ['query', 'statistics', 'candidates', 'unembedded', 'list'].includes(
    (body as IngestBody).op,
  );
  return isQuestion ? await retrieve.answer(order) : await ingest.answer(order);
}

async function changed(body: IngestBody): Promise<readonly unknown[]> {
  const answers = await Promise.all(services.map((_, at) => answered(at, body)));
  return answers.map((answer) => {
    if (!(answer instanceof Uint8Array)) throw new Error(answer.message);
    return JSON.parse(new TextDecoder().decode(answer));
  });
}

interface Playing {
  /** Of these shards, from 1, the machine is away, or what it answers never comes. */
  readonly away?: readonly number[];
  readonly silent?: readonly number[];
}

/** `from`: the first service that it knows; 0: the whole, 1: the shards. */
function asker(from: 0 | 1, { away = [], silent = [] }: Playing = {}): RetrievalAsker {
  const owners = from === 0 ? [0] : services.slice(1).map((_, at) => at + 1);
  const document: CollectionDocument = {
    ...{ name, placedAt: 0 },
    shards: owners.map((at) => ({
      ...{ worker: `w-${at}`, workerName: `machine-${at}`, epoch: 1, connected: !away.includes(at) },
    })),
  };
  let tasks = 0;
  return {
    request: async () => [document],
    submit: ({ envelopeBytes, bodyBytes }) => {
      tasks += 1;
      const id = tasks as TaskId;
      const read = decodeEnvelope(envelopeBytes);
      const at = from + (read.ok ? (read.value.shard?.index ?? 0) : 0);
      const ended = async (): Promise<Outcome> => {
        if (silent.includes(at)) await new Promise(() => undefined);
        const [, retrieve] = retrievalCalls(Promise.resolve(services[at] as RetrievalService));
        const body = retrieve.read(bodyBytes);
        const answer = body.ok ? await answered(at, body.value) : body.failure;
        const isDone = answer instanceof Uint8Array;
        return {
          ...{ id: `e${id}`, task: id, state: isDone ? 'succeeded' : 'failed', exitCode: 0, attempts: 1 },
          failure: isDone ? null : answer,
          result: isDone ? encodeBody({ result: answer }) : new Uint8Array(0),
        };
      };
      return { finished: ended() };
    },
  };
}

const seen = ({ results }: Found) =>
  results.map(({ source, lines, score, terms, named }: Passage) => [source, lines, score, terms, named]);

it('has each file once, in the shard of its key', async () => {
  const lists = await Promise.all(services.map((service) => service.list(16_000)));
  const counts = lists.map((list) => ('code' in list ? -1 : (list.collections[0]?.sources[0]?.files ?? -1)));
  const [whole = 0, ...parts] = counts;
  expect(parts.reduce((sum, count) => sum + count, 0)).toBe(whole);
  for (const count of parts) expect(count).toBeGreaterThan(5);
  expect(services.slice(1).map((service) => service.shards.labels())).toEqual(
    parts.map((_, at) => ({ 'collection/docs': `${at + 1}@1 of 3` })),
  );
});

describe('a query of several shards', () => {
  it.each(questions)('is answered as by one index: %s', async (text) => {
    for (const count of [3, 10, 60]) {
      const query = { collection: name, text, count, of: 'passages' } as const;
      const [one, parted] = [await queryCollection(asker(0), query), await queryCollection(asker(1), query)];
      // An answer may hold less of what one index found than of what three did.
      const some = one.cut ? one.results.length : count;
      expect(seen(parted).slice(0, some)).toEqual(seen(one));
      expect(parted.missing).toBeUndefined();
      for (const passage of parted.results) expect(passage).not.toHaveProperty('order');
    }
    const query = { collection: name, text, count: 12, of: 'files' } as const;
    expect(seen(await queryCollection(asker(1), query))).toEqual(
      seen(await queryCollection(asker(0), query)),
    );
  });

  it('says which shard is away, and answers from the others', async () => {
    const query = { collection: name, text: 'walrus', count: 60, of: 'files' } as const;
    const found = await queryCollection(asker(1, { away: [2] }), query);
    expect(found.missing).toEqual([{ number: 2, machine: 'machine-2', why: 'machine-2 is not connected' }]);
    const all = await queryCollection(asker(1), query);
    expect(found.results.length).toBeGreaterThan(0);
    expect(found.results.length).toBeLessThan(all.results.length);
  });

  it('says which shard did not answer in time', async () => {
    const query = { collection: name, text: 'walrus', count: 5, of: 'passages' } as const;
    // Long enough for those that answer, however slow this machine is.
    const found = await queryCollection(asker(1, { silent: [3] }), query, { deadlineMs: 3000 });
    expect(found.missing).toEqual([
      { number: 3, machine: 'machine-3', why: expect.stringContaining('did not answer within 3') },
    ]);
    expect(found.results).toHaveLength(5);
  });

  it('is none when no shard can be asked', async () => {
    const query = { collection: name, text: 'walrus', count: 5, of: 'passages' } as const;
    await expect(queryCollection(asker(1, { away: [1, 2, 3] }), query)).rejects.toThrow(
      /machine-2 is not connected/,
    );
  });
});

describe('a shard', () => {
  const walrus = { op: 'query', collection: name, text: 'walrus', count: 1, of: 'passages' };

  it('is changed under no older epoch than it is known by, nor read under another', async () => {
    const older = { op: 'remove', collection: name } as const;
    const [service] = [services[1] as RetrievalService];
    expect(await service.shards.hold('docs/1of3', { epoch: 0 })).toMatchObject({ code: 'rejected.state' });
    expect(await answered(1, walrus, { ...holdOf(1), epoch: 2 })).toMatchObject({
      ...{ code: 'rejected.state', message: expect.stringContaining('owner epoch 1') },
    });
    expect(await answered(2, older, { ...holdOf(2), index: 0 })).toBeInstanceOf(Uint8Array);
  });

  it('is touched by no task that was placed for another collection, in whatever epoch that is', async () => {
    const mine = { ...holdOf(1), collection: 'mine', epoch: 3, by: other };
    const feedback = { op: 'feedback', collection: name, text: 'walrus', path: '/x.md', verdict: 'good' };
    for (const body of [feedback, walrus, { op: 'remove', collection: name }])
      expect(await answered(1, body, mine, other)).toMatchObject({
        ...{ code: 'rejected.invalid', message: expect.stringContaining('its body names docs') },
      });
    expect(services[1]?.names).toContain('docs/1of3');
  });

  it('is begun again by whose it is alone, and is theirs alone then', async () => {
    const sync = { op: 'sync', collection: name, source, inputs: [] };
    const next = { ...holdOf(1), index: 2, epoch: 2 };
    expect(await answered(1, sync, next, other)).toMatchObject({
      ...{ code: 'rejected.forbidden', message: expect.stringContaining(principal) },
    });
    expect(await answered(1, sync, next)).toBeInstanceOf(Uint8Array);
    expect(await answered(1, walrus, next, other)).toMatchObject({ code: 'rejected.forbidden' });
    expect(await answered(1, { op: 'remove', collection: name }, next)).toBeInstanceOf(Uint8Array);
  });

  it('redacts nothing: its pseudonyms would be others than those of the next', async () => {
    const body = { op: 'redact', collection: name, kinds: ['email'] };
    expect(await answered(1, body)).toMatchObject({
      ...{ code: 'rejected.invalid', message: expect.stringContaining('pseudonyms') },
    });
  });
});

/** A model that is played: what a text is near to is which of the words are in it. */
function vectorOf(text: string): Float32Array {
  return Float32Array.from({ length: dimension }, (_, at) => {
    const word = words[at] ?? '';
    return 0.01 * (at + 1) + text.toLowerCase().split(word).length - 1;
  });
}
const bytesOf = (vector: Float32Array) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);

const inference = {
  models: async () => [{ name: embedding.model, artifact: { digest: embedding.digest } }],
  ask: ({ request }: { readonly request: Uint8Array }) => {
    const { input } = JSON.parse(new TextDecoder().decode(request)) as { input: readonly string[] };
    const data = input.map((text, index) => ({ index, embedding: [...vectorOf(text)] }));
    return {
      ...{ head: Promise.resolve({ status: 200 }), task: Promise.resolve(1), result: Promise.resolve({}) },
      body: [new TextEncoder().encode(JSON.stringify({ data }))],
    };
  },
} as unknown as Inference;

async function embedAll(at: number): Promise<void> {
  for (let after = 0; ; ) {
    const answer = await answered(at, { op: 'unembedded', collection: name, after });
    if (!(answer instanceof Uint8Array)) throw new Error(answer.message);
    const { passages } = JSON.parse(new TextDecoder().decode(answer)) as UnembeddedResult;
    if (passages.length === 0) return;
    const values = Buffer.concat(passages.map(({ text }) => bytesOf(vectorOf(text))));
    const ids = passages.map(({ id }) => id);
    const body = { op: 'vectors', collection: name, embedding, passages: ids, values };
    expect(await answered(at, body)).toBeInstanceOf(Uint8Array);
    after = ids.at(-1) ?? 0;
  }
}

it('by meaning, too, the order is that of one index', async () => {
  await changed({ op: 'embed', collection: name, embedding });
  for (const at of services.keys()) await embedAll(at);
  for (const text of ['walrus lease', 'parseHttpHeader', 'machine ocelot model', 'File 17']) {
    const query = { collection: name, text, count: 10, of: 'passages' } as const;
    const one = await queryCollection(asker(0), query, { inference });
    const parted = await queryCollection(asker(1), query, { inference });
    expect(parted.meaning?.model).toBe('words');
    expect(one.results.some(({ terms }) => '(meaning)' in terms)).toBe(true);
    expect(seen(parted)).toEqual(seen(one));
    const few = { ...query, files: { paths: ['notes-1*'] } };
    const chosen = await queryCollection(asker(1), few, { inference });
    expect(chosen.results.every(({ source: path }) => path.startsWith('/notes/notes-1'))).toBe(true);
    expect(seen(chosen)).toEqual(seen(await queryCollection(asker(0), few, { inference })));
  }
}, 60_000);
