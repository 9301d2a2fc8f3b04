/** Every cell of the matrix of collections in docs/principals.md, on a real service, asked as a worker asks it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  copyOutput,
  type Failure,
  type IngestBody,
  type PrincipalId,
  type Readers,
  type RetrieveBody,
} from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import type { Given } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { retrievalCalls } from './retrieval-calls.ts';

interface Asker {
  readonly principal: PrincipalId | undefined;
  readonly byAdmin: boolean;
}

const [ann, bob, cleo, dan] = ['a', 'b', 'c', 'd'].map((one) => `p-${one.repeat(16)}` as PrincipalId) as [
  PrincipalId,
  PrincipalId,
  PrincipalId,
  PrincipalId,
];
const owner: Asker = { principal: ann, byAdmin: false };
const other: Asker = { principal: cleo, byAdmin: false };
const admin: Asker = { principal: dan, byAdmin: true };
const askers: Readonly<Record<string, Asker>> = {
  owner,
  reader: { principal: bob, byAdmin: false },
  other,
  admin,
  untold: { principal: undefined, byAdmin: false },
};
const collection = 'notes';
const source = { machine: 'forge', path: '/notes.md' };
const changes: Readonly<Record<string, IngestBody>> = {
  'say how an answer served': {
    ...{ op: 'feedback', collection, text: 'walrus', path: '/notes.md', verdict: 'good' },
  },
  'bring files, bring them up to date': { op: 'sync', collection, source, inputs: [] as never },
  'take files or all of it away': { op: 'remove', collection },
  'have a model embed its passages': {
    ...{ op: 'embed', collection },
    embedding: { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension: 2 },
  },
  'have it learn, or go back': { op: 'weights', collection, change: { kind: 'learn' } },
  'have it forget a subject': { op: 'forget', collection, subject: 'nobody at all' },
  'say what is taken out of its texts': { op: 'redact', collection, kinds: ['email'] },
  'say who may ask it, and whose it is': { op: 'access', collection, readers: [bob] },
};
const questions: Readonly<Record<string, RetrieveBody>> = {
  'ask it': { op: 'query', collection, text: 'walrus', count: 1, of: 'passages' },
  'be told what pseudonyms stand for': { op: 'reveal', collection, text: 'x' },
  'see what it learned': { op: 'weights', collection },
};

let folder: string;
let service: RetrievalService;
let given: Given;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-calls-'));
  service = await RetrievalService.open(join(folder, 'kept'));
  const path = join(folder, 'notes.md');
  await writeFile(path, 'A walrus swims.');
  const entries = [{ kind: 'file', path: '', bytes: 15, chunks: Buffer.from('walrus') }];
  given = { path, manifest: { entries } } as never;
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

async function asked(asker: Asker, body: IngestBody | RetrieveBody): Promise<unknown> {
  const [ingest, retrieve] = retrievalCalls(Promise.resolve(service));
  const order = { ...asker, given: [given], signal: new AbortController().signal, tell: () => undefined };
  const answer =
    body.op in isQuestion && !('change' in body)
      ? await retrieve.answer({ ...order, body: body as RetrieveBody } as never)
      : await ingest.answer({ ...order, body: body as IngestBody } as never);
  return answer instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(answer)) : answer;
}
const isQuestion = { query: true, list: true, weights: true, reveal: true };

/** `notes`, of ann. */
async function begun(readers: Readers): Promise<void> {
  const { 'bring files, bring them up to date': sync } = changes;
  expect(await asked(owner, sync as IngestBody)).toMatchObject({ failedFiles: 0 });
  expect(await asked(owner, { op: 'access', collection, readers })).toEqual({ owner: ann, readers });
}

const isForbidden = (answer: unknown): boolean => (answer as Failure).code === 'rejected.forbidden';

async function matrix(): Promise<readonly (readonly [row: string, cells: readonly string[]])[]> {
  const text = await readFile(new URL('../../../../docs/principals.md', import.meta.url), 'utf8');
  const [, section = ''] = text.split('\n## Collections\n');
  const [table = ''] = section.split('\n## ');
  const rows = table.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| |'));
  return rows.map((line) => {
    const [, row = '', ...cells] = line.split('|').map((cell) => cell.trim());
    return [row, cells.slice(0, 4)];
  });
}

it('is the table in the docs, cell by cell', async () => {
  const table = await matrix();
  expect(table.map(([row]) => row).sort()).toEqual(
    [...Object.keys(questions), ...Object.keys(changes), 'be told of it in lists'].sort(),
  );
  for (const [row, cells] of table)
    for (const [at, name] of ['owner', 'reader', 'other', 'admin'].entries()) {
      const asker = askers[name] as Asker;
      await begun([bob]);
      const answer =
        row === 'be told of it in lists'
          ? ((await asked(asker, { op: 'list' })) as { collections: unknown[] }).collections.length > 0
          : !isForbidden(await asked(asker, (questions[row] ?? changes[row]) as IngestBody));
      expect([row, name, answer ? 'yes' : 'no']).toEqual([row, name, cells[at]]);
      await asked(admin, { op: 'remove', collection });
    }
}, 60_000);

it('a reader is whoever the setting says, and nobody whom the broker does not name', async () => {
  const query = questions['ask it'] as RetrieveBody;
  const whoMay = async () => {
    const may: string[] = [];
    for (const [name, asker] of Object.entries(askers))
      if (!isForbidden(await asked(asker, query))) may.push(name);
    return may;
  };
  await begun('everyone');
  expect(await whoMay()).toEqual(['owner', 'reader', 'other', 'admin', 'untold']);
  await begun('owner');
  expect(await whoMay()).toEqual(['owner', 'admin']);
  await begun([bob]);
  expect(await whoMay()).toEqual(['owner', 'reader', 'admin']);
  // It holds after a restart too, and a collection that another begins by the same name is theirs.
  await service.close();
  service = await RetrievalService.open(join(folder, 'kept'));
  expect(await whoMay()).toEqual(['owner', 'reader', 'admin']);
  const remove = asked(admin, { op: 'remove', collection });
  const theirs = asked(other, changes['bring files, bring them up to date'] as IngestBody);
  const late = asked(owner, { op: 'remove', collection });
  expect([await remove, await theirs, await late]).toMatchObject([
    { removed: 1 },
    { added: 1 },
    { code: 'rejected.forbidden', message: expect.stringContaining(`not changed by ${ann}`) },
  ]);
});

it('what a subject is found in elsewhere is told to who may ask that', async () => {
  await begun('owner');
  const own = { op: 'sync', collection: 'own', source, inputs: [] as never } as const;
  expect(await asked(other, own)).toMatchObject({ added: 1 });
  const forget = { op: 'forget', collection: 'own', subject: 'walrus' } as const;
  expect(await asked(other, forget)).toMatchObject({ passages: 1, elsewhere: [] });
  expect(await asked(admin, forget)).toMatchObject({ elsewhere: [{ collection, passages: 1 }] });
});

it('collections of before there were owners are asked by everybody and changed by admins, who may give them away', async () => {
  await begun('owner');
  await service.close();
  const file = join(folder, 'kept/roots.json');
  const roots = [{ ...source, syncedAt: 1 }];
  await writeFile(file, JSON.stringify({ version: 1, collections: { notes: roots } }));
  service = await RetrievalService.open(join(folder, 'kept'));
  const query = questions['ask it'] as RetrieveBody;
  expect(await asked(other, query)).toMatchObject({ results: [{ source: '/notes.md' }] });
  expect(isForbidden(await asked(owner, { op: 'remove', collection }))).toBe(true);
  expect(await asked(admin, { op: 'access', collection, owner: ann })).toEqual({
    owner: ann,
    readers: 'everyone',
  });
  expect(await asked(owner, { op: 'remove', collection })).toMatchObject({ removed: 1 });
});

it('copies are made and taken by the broker’s word alone', async () => {
  await begun('everyone');
  const carrying: readonly IngestBody[] = [
    { op: 'copy', collection, outputs: [copyOutput], receivers: ['k'.repeat(43)] },
    { op: 'follow', collection, inputs: [] as never },
    { op: 'letGo', collection },
  ];
  for (const body of carrying) expect(isForbidden(await asked(admin, body)), body.op).toBe(true);
});

it('a copy is changed by its owner’s alone, and vectors by who numbered the passages', async () => {
  await begun('everyone');
  const shard = { collection, index: 0, of: 1, epoch: 1, by: ann };
  const copies = { version: 2, base: null, isCopy: true, byBroker: false };
  const of = (more: object) => ({ ...owner, shard: { ...shard, ...more } }) as Asker;
  const { embedding } = changes['have a model embed its passages'] as Extract<IngestBody, { op: 'embed' }>;
  const passages = { passages: [1], values: new Uint8Array(8) };
  const vectors = { op: 'vectors' as const, collection, embedding, ...passages };
  for (const body of [vectors, changes['take files or all of it away'] as IngestBody])
    expect(await asked(of({ copies }), body)).toMatchObject({ code: 'rejected.state' });
  expect(await asked(of({}), { ...vectors, epoch: 9 })).toMatchObject({
    ...{ code: 'rejected.state', message: expect.stringContaining('another owner') },
  });
  expect(service.names).toEqual([collection]);
});

it('a copy that is behind is told who may ask it, and is not brought what is older', async () => {
  await begun('everyone');
  await service.shards.noteCopy(collection, 1, 2);
  const shard = { collection, index: 0, of: 1, epoch: 1, by: ann };
  const copies = { version: 3, base: null, isCopy: true, byBroker: false };
  const query = questions['ask it'] as RetrieveBody;
  const of = (asker: Asker) => ({ ...asker, shard: { ...shard, copies } }) as Asker;
  expect(await asked(of(other), query)).toMatchObject({ behind: { version: 2, of: 3 } });
  const access = { op: 'access' as const, collection, readers: 'owner' as const };
  expect(isForbidden(await asked(of(other), access))).toBe(true);
  expect(await asked(of(owner), access)).toEqual({ owner: ann, readers: 'owner' });
  expect(isForbidden(await asked(of(other), query))).toBe(true);
  expect(await service.shards.beginCopy(collection, { epoch: 1, version: 2 })).toBeDefined();
  expect(await service.shards.beginCopy(collection, { epoch: 1, version: 3 })).toBeUndefined();
});
