/** Copies of shards between two services: what is in one is in the other, whoever carries it, and what it is of is known. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CopyResult, type Failure, redactedKinds, type Verdict } from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** Each service reads documents in processes that are begun for it. */
vi.setConfig({ testTimeout: 120_000 });

const unit = 'docs';
const source = { machine: 'forge', path: '/docs' };
const { signal } = new AbortController();
const model = { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension: 2 };
const maxBytes = 16_000;

let folder: string;
let owner: RetrievalService;
let other: RetrievalService;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-copies-'));
  [owner, other] = (await Promise.all(
    ['owner', 'other'].map((name) => RetrievalService.open(join(folder, name))),
  )) as [RetrievalService, RetrievalService];
});
afterEach(async () => {
  await Promise.all([owner.close(), other.close()]);
  await rm(folder, { recursive: true });
});

function done<T extends object>(answer: T | Failure): T {
  if ('code' in answer) throw new Error((answer as Failure).message);
  return answer;
}

/** A change of the owner's, under a lease of this epoch. */
async function sync(texts: Readonly<Record<string, string>>, epoch = 1, of = owner): Promise<void> {
  expect(await of.shards.hold(unit, { epoch })).toBeUndefined();
  const files = Object.entries(texts).map(async ([path, text]) => {
    const at = join(folder, path);
    await writeFile(at, text);
    return { path, bytes: text.length, hash: createHash('sha256').update(text).digest('hex'), at };
  });
  const ingesting = { signal, tell: () => undefined, owner: 'p-0123456789abcdef' };
  done(await of.sync(unit, source, await Promise.all(files), ingesting));
}

/** As it is carried: the folder in which it lies afterwards. */
async function copied(epoch = 1, receivers = [other.copies.keyName]): Promise<string> {
  const to = await mkdtemp(join(folder, 'carried-'));
  done(
    await owner.copies.out(unit, { epoch }, receivers, async (from, made) => {
      await cp(from, to, { recursive: true });
      return made;
    }),
  );
  return to;
}

const follow = async (epoch = 1): Promise<CopyResult | Failure> =>
  await other.copies.take(unit, epoch, await copied(epoch), signal);

async function found(service: RetrievalService, text: string, vector?: Uint8Array) {
  const query = { op: 'query', collection: unit, text, count: 20, of: 'passages' } as const;
  const by = vector && { vector: { digest: model.digest, values: vector } };
  return done(await service.query({ ...query, ...by }, maxBytes)).results;
}

/** Everything that anybody is answered. */
async function told(service: RetrievalService) {
  const values = new Uint8Array(Float32Array.of(1, 0.5).buffer);
  const asked = ['walrus', 'heron', 'notes', 'a.md'].flatMap((text) => [
    found(service, text),
    found(service, text, values),
  ]);
  return {
    answers: await Promise.all(asked),
    list: await service.list(maxBytes),
    weights: await service.learned(unit),
  };
}

it('a copy answers as its owner does, with vectors, feedback and what was learned', async () => {
  await sync({
    'a.md': '# Walrus\n\nA walrus swims.',
    'b.md': 'A heron stands.\n\nA walrus, too.',
    'c.bin': '\0',
  });
  done(await owner.embedBy({ op: 'embed', collection: unit, embedding: model }));
  const { passages } = done(await owner.unembedded(unit, 0, maxBytes));
  const values = new Uint8Array(Float32Array.from(passages.flatMap((_, at) => [at + 1, 1])).buffer);
  const ids = passages.map(({ id }) => id);
  done(await owner.addVectors({ op: 'vectors', collection: unit, embedding: model, passages: ids, values }));
  for (const [text, verdict] of [
    ['walrus', 'good'],
    ['heron', 'bad'],
  ] as [string, Verdict][])
    done(await owner.feedback({ op: 'feedback', collection: unit, text, path: '/docs/b.md', verdict }));
  done(await owner.weights({ op: 'weights', collection: unit, change: { kind: 'revert', version: 0 } }));
  expect(done(await follow())).toEqual({ epoch: 1, version: 1 });
  const before = await told(owner);
  expect(before.answers.flat()).not.toEqual([]);
  expect(await told(other)).toEqual(before);
});

it('what has changed is there with the next copy, what is gone is gone, and the rest is not carried again', async () => {
  await sync({ 'a.md': 'A walrus swims.', 'b.md': 'A heron stands.', 'c.md': 'An ocelot sleeps.' });
  const first = await copied();
  done(await other.copies.take(unit, 1, first, signal));
  await sync({ 'a.md': 'A walrus swims.', 'b.md': 'A heron flies.', 'd.md': 'A finch sings.' });
  const second = await copied();
  expect(done(await other.copies.take(unit, 1, second, signal))).toEqual({ epoch: 1, version: 2 });
  expect(await told(other)).toEqual(await told(owner));
  expect(await found(other, 'ocelot')).toEqual([]);
  const same = await Promise.all(
    (await readdir(first)).map(async (name) => {
      const again = await readFile(join(second, name)).catch(() => undefined);
      return again?.equals(await readFile(join(first, name))) === true;
    }),
  );
  // a.md's, and what was learned.
  expect(same.filter(Boolean)).toHaveLength(2);
});

it('a collection that was taken away is taken away from its copy', async () => {
  await sync({ 'a.md': 'A walrus swims.' });
  done(await follow());
  expect(await owner.shards.hold(unit, { epoch: 1 })).toBeUndefined();
  done(await owner.remove(unit, undefined));
  expect(done(await follow())).toEqual({ epoch: 1, version: 2 });
  expect(other.names).toEqual([]);
  expect(other.shards.told()).toEqual([
    { collection: unit, index: 0, of: 1, epoch: 1, version: 2, isCopy: true, isGone: true },
  ]);
});

it('who carries it can read nothing of it, and a service for which it is not sealed takes nothing of it', async () => {
  await sync({ 'a.md': 'A walrus swims.' });
  const folderOfCopy = await copied(1, [owner.copies.keyName]);
  for (const name of await readdir(folderOfCopy)) {
    const text = await readFile(join(folderOfCopy, name), 'latin1');
    expect(text, name).not.toMatch(/walrus|a\.md|forge/);
  }
  expect(await other.copies.take(unit, 1, folderOfCopy, signal)).toMatchObject({ code: 'rejected.state' });
  expect(other.names).toEqual([]);
});

it('pseudonyms stand for the same in a copy, and it finds by what they stand for', async () => {
  expect(await owner.shards.hold(unit, { epoch: 1 })).toBeUndefined();
  done(
    await owner.redact({
      op: 'redact',
      collection: unit,
      kinds: [...redactedKinds],
      names: ['Ada Lovelace'],
    }),
  );
  await sync({ 'a.md': 'Ada Lovelace keeps a walrus, ada@example.org.' });
  done(await follow());
  const [first] = await found(other, 'Ada Lovelace');
  expect(first?.text).not.toContain('Ada');
  const reveal = { op: 'reveal', collection: unit, text: first?.text ?? '' } as const;
  expect(done(await other.reveal(reveal, maxBytes)).text).toContain('Ada Lovelace keeps a walrus');
});

it('who owned it before becomes a copy of who owns it now, and has nothing of its own left', async () => {
  await sync({ 'a.md': 'A walrus swims.', 'old.md': 'A heron that nobody else was told of.' }, 1, other);
  await sync({ 'a.md': 'A walrus swims.' }, 2);
  expect(await other.copies.take(unit, 1, await copied(2), signal)).toMatchObject({
    code: 'rejected.invalid',
  });
  done(await follow(2));
  expect(await told(other)).toEqual(await told(owner));
  expect(other.shards.labels()).toEqual({});
  expect(await other.shards.hold(unit, { epoch: 1 })).toMatchObject({ code: 'rejected.state' });
});

it('a copy that an owner was chosen for is what it goes on from; any other is gone first', async () => {
  const copies = { version: 1, base: { epoch: 1, version: 1 }, isCopy: false, byBroker: false };
  await sync({ 'a.md': 'A walrus swims.' });
  done(await follow());
  expect(other.shards.stale(unit, { epoch: 2 })).toMatchObject({ code: 'rejected.state' });
  expect(other.shards.stale(unit, { epoch: 2, copies })).toBeUndefined();
  expect(await other.shards.hold(unit, { epoch: 2, copies })).toBeUndefined();
  expect(await found(other, 'walrus')).toHaveLength(1);
  expect(other.shards.told()).toEqual([{ collection: unit, index: 0, of: 1, epoch: 2, version: 2 }]);
  expect(
    await other.shards.hold(unit, { epoch: 3, copies: { ...copies, base: { epoch: 2, version: 9 } } }),
  ).toBeUndefined();
  expect(other.names).toEqual([]);
});

it('a file that was changed on the way is no copy, and what was there stays', async () => {
  await sync({ 'a.md': 'A walrus swims.' });
  done(await follow());
  await sync({ 'a.md': 'A walrus dives.' });
  const folderOfCopy = await copied();
  const sealed = await readFile(join(folderOfCopy, 'whose'));
  sealed[20] = (sealed[20] as number) ^ 1;
  await writeFile(join(folderOfCopy, 'whose'), sealed);
  expect(await other.copies.take(unit, 1, folderOfCopy, signal)).toMatchObject({ code: 'rejected.invalid' });
  expect(await found(other, 'walrus')).toMatchObject([{ text: 'A walrus swims.' }]);
});

it('a copy says by how much it is behind, and there is none of another epoch, or before the first is whole', async () => {
  const hold = (epoch: number, version: number) => ({
    epoch,
    copies: { version, base: null, isCopy: true, byBroker: false },
  });
  expect(other.shards.copied(unit, hold(1, 1))).toMatchObject({ code: 'rejected.state' });
  await sync({ 'a.md': 'A walrus swims.' });
  done(await follow());
  expect(other.shards.copied(unit, hold(1, 1))).toEqual({ version: 1, of: 1 });
  expect(other.shards.copied(unit, hold(1, 4))).toEqual({ version: 1, of: 4 });
  expect(other.shards.copied(unit, hold(2, 4))).toMatchObject({ code: 'rejected.state' });
  expect(owner.shards.copied(unit, hold(1, 1))).toMatchObject({ code: 'rejected.state' });
});

it('what was forgotten of a copy does not come back by one that is older', async () => {
  const hold = { epoch: 1, copies: { version: 2, base: null, isCopy: true, byBroker: false } };
  await sync({ 'a.md': 'A walrus swims.', 'b.md': 'A heron stands.' });
  const older = await copied();
  done(await other.copies.take(unit, 1, older, signal));
  expect(await owner.shards.hold(unit, { epoch: 1 })).toBeUndefined();
  done(await owner.forget(unit, 'walrus'));
  expect(await other.shards.takeOut(unit, hold)).toBeUndefined();
  const { searched } = done(await other.forget(unit, 'walrus'));
  expect(searched.filter((file) => file.found > 0)).toEqual([]);
  expect(await other.copies.take(unit, 1, older, signal)).toMatchObject({ code: 'rejected.state' });
  expect(done(await follow())).toEqual({ epoch: 1, version: 2 });
  expect(await told(other)).toEqual(await told(owner));
  expect(await found(other, 'walrus')).toEqual([]);
});

it('a copy of a version has every change that was counted by then, also while others are made', async () => {
  await sync({ 'a.md': 'A walrus swims.' });
  // Counted and done in one turn, as a worker's tasks are.
  const change = owner.access.inTurn(
    async () => await sync({ 'a.md': 'A walrus swims.', 'b.md': 'A heron stands.' }),
  );
  const copy = await copied();
  await change;
  const { version } = done(await other.copies.take(unit, 1, copy, signal));
  expect(await found(other, 'heron')).toHaveLength(version === 2 ? 1 : 0);
});
