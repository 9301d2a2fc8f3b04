/** What attempts are given and leave, with a real store beside a broker; the broker's answers are played. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ArtifactGrantDocument,
  type AttemptNo,
  type Epoch,
  encodeBody,
  type Failure,
  failure,
  type Read,
  type Request,
  readOutcome,
  type TaskId,
  type ToBroker,
} from '@gryphgen/protocol';
import {
  ArtifactStore,
  createIdentity,
  createLog,
  DataServer,
  fetchFrom,
  scanPath,
  signGrant,
  storeInto,
  systemAlarms,
  systemClock,
  takeScanned,
} from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttemptFiles } from './attempt-files.ts';
import { BrokerQuestions } from './broker-questions.ts';
import { newFolder, removeFolder } from './folder.fixture.ts';

const fence = { task: 7 as TaskId, attempt: 1 as AttemptNo, epoch: 3 as Epoch };
const broker = createIdentity();
const grid = 'g-0123456789abcdef';
const mebi = 1024 * 1024;
const none = new Uint8Array(0);

let folder: string;
let beside: ArtifactStore;
let server: DataServer;
let endpoints: readonly string[];
let refusal: Failure | null;
let asked: Request[];
let opened: BrokerQuestions[];

beforeEach(async () => {
  folder = await newFolder();
  refusal = null;
  asked = [];
  opened = [];
  beside = await ArtifactStore.open({
    folder: join(folder, 'beside'),
    budgetBytes: 64 * mebi,
    clock: systemClock,
    held: () => new Set(),
  });
  server = new DataServer({
    endpoints: [`ipc://${join(folder, 'data.sock')}`],
    curve: broker.curve,
    grid,
    worker: '',
    brokerKey: () => broker.key,
    brokerWall: () => Date.now(),
    clock: systemClock,
    alarms: systemAlarms,
    open: () => failure('rejected.not-found', 'no logs here'),
    fetch: fetchFrom(beside),
    store: storeInto(beside),
  });
  endpoints = await server.start();
});

afterEach(async () => {
  for (const questions of opened) questions.close();
  await server.stop();
  await removeFolder(folder);
});

/** A life of a worker. */
function life(budgetBytes = 64 * mebi): Promise<AttemptFiles> {
  const questions: BrokerQuestions = new BrokerQuestions(
    {
      broker: { endpoint: 'ipc:///broker.sock' },
      send: (message: ToBroker) => {
        if (message.kind !== 'request') return;
        asked.push(message);
        const { op, id } = message;
        const { artifact } = message.args as { readonly artifact: string };
        const about = {
          grid,
          op: op as 'fetch',
          artifact,
          id: `x${asked.length}`,
          expiresAt: Date.now() + 60_000,
        };
        const result: ArtifactGrantDocument = {
          grant: signGrant(broker, about),
          workers: [],
          broker: { endpoints, dataKey: broker.curve.publicKey },
        };
        queueMicrotask(() =>
          questions.onReply({ kind: 'reply', id, result: refusal ? null : result, failure: refusal }),
        );
      },
    },
    systemAlarms,
  );
  opened.push(questions);
  const log = createLog({ daemon: 'test', level: 'silent' });
  return AttemptFiles.open({
    ...{
      folder: join(folder, 'worker'),
      budgetBytes,
      clock: systemClock,
      alarms: systemAlarms,
      log,
      questions,
    },
  });
}

async function brought(text: string): Promise<{ digest: string; bytes: number }> {
  const path = join(folder, 'local');
  await writeFile(path, text);
  const found = await scanPath(path);
  if ('code' in found) throw new Error(found.message);
  expect(await takeScanned(beside, found)).toBe(null);
  return { digest: found.manifest.digest, bytes: found.manifest.bytes };
}

const options = { signal: new AbortController().signal, tell: () => undefined };

function mustBe<T>(read: Read<T>): T {
  if (!read.ok) throw new Error(read.failure.message);
  return read.value;
}

describe('inputs', () => {
  it('are fetched once, for all attempts that want them', async () => {
    const files = await life();
    const input = { ...(await brought('hello')), to: '/in/x' };
    const all = await Promise.all(
      [1, 2, 3].map((attempt) =>
        files.give({ ...fence, attempt: attempt as AttemptNo }, { inputs: [input] }, options),
      ),
    );
    for (const each of all) {
      const [given] = mustBe(each);
      expect(given?.to).toBe('/in/x');
      expect(await readFile(given?.path ?? '', 'utf8')).toBe('hello');
    }
    expect(asked.map(({ op, args }) => [op, args])).toEqual([['fetch', { task: 7, artifact: input.digest }]]);
  });

  it('are told as far as they have come, for each attempt that waits, and no more once it has them', async () => {
    const files = await life();
    const [small, large] = [await brought('hello'), await brought('x'.repeat(9 * mebi))];
    const inputs = [
      { ...small, to: '/in/x' },
      { ...large, to: '/in/y' },
    ];
    const told: string[] = [];
    const tell = () => {
      // The first is here by now, and nothing yet of what is announced in the log.
      for (const { bytes, of } of files.awaited.fetched.values()) told.push(`${bytes} of ${of}`);
    };
    mustBe(await files.give(fence, { inputs }, { ...options, tell }));
    expect(told).toEqual([`${small.bytes} of ${small.bytes + large.bytes}`]);
    expect(files.awaited.fetched.size).toBe(0);
  });

  it('that are not there any more fail the attempt, in words', async () => {
    const files = await life();
    const input = { digest: `sha256:${'0'.repeat(64)}`, bytes: 5, to: '/in/x' };
    expect(await files.give(fence, { inputs: [input] }, options)).toMatchObject({
      ok: false,
      failure: { code: 'execution.input', message: expect.stringContaining('/in/x cannot be had') },
    });
  });

  it('that this worker has no room for are tried elsewhere', async () => {
    const files = await life(10);
    const input = { ...(await brought('more than ten bytes')), to: '/in/x' };
    expect(await files.give(fence, { inputs: [input] }, options)).toMatchObject({
      failure: { code: 'lost.worker', message: expect.stringContaining('room for 10') },
    });
  });

  it('are not waited for when the attempt is to end', async () => {
    const files = await life();
    refusal = failure('lost.link', 'never mind');
    const stop = new AbortController();
    stop.abort();
    const input = { ...(await brought('hello')), to: '/in/x' };
    const given = await files.give(fence, { inputs: [input] }, { ...options, signal: stop.signal });
    expect(given).toMatchObject({
      failure: { code: expect.stringMatching(/^(cancelled.user|lost.worker)$/) },
    });
  });
});

describe('outputs', () => {
  async function left(text: string) {
    const path = join(folder, `left-${text}`);
    await mkdir(path);
    await writeFile(join(path, 'file'), text);
    return await scanPath(path);
  }
  const outputs = ['/out/a', '/out/b'];

  it('are kept here and beside the broker, and told in the outcome', async () => {
    const files = await life();
    mustBe(await files.give(fence, { outputs }, options));
    const image = { id: `sha256:${'1'.repeat(64)}` };
    const kept = mustBe(
      await files.keep(fence, encodeBody({ image }), (path) => left(path.slice(-1)), options.signal),
    );
    const outcome = readOutcome(kept);
    expect(outcome?.image).toEqual(image);
    expect(outcome?.outputs?.map(({ path, bytes, copied }) => [path, bytes, copied])).toEqual([
      ['/out/a', 1, true],
      ['/out/b', 1, true],
    ]);
    for (const { digest } of outcome?.outputs ?? [])
      expect([files.store.has(digest), beside.has(digest)]).toEqual([true, true]);
  });

  it('that cannot be copied are here alone', async () => {
    const files = await life();
    mustBe(await files.give(fence, { outputs: ['/out/a'] }, options));
    refusal = failure('rejected.limit', 'the store is full');
    const kept = mustBe(await files.keep(fence, none, () => left('a'), options.signal));
    expect(readOutcome(kept)?.outputs).toMatchObject([{ copied: false }]);
  });

  it('that are missing fail the attempt', async () => {
    const files = await life();
    mustBe(await files.give(fence, { outputs: ['/out/a'] }, options));
    const missing = async () => failure('rejected.not-found', 'the task has not left it');
    expect(await files.keep(fence, none, missing, options.signal)).toMatchObject({
      failure: {
        code: 'execution.output',
        message: 'its output /out/a cannot be kept: the task has not left it',
      },
    });
  });

  it('are known to a later life, until the attempt is forgotten', async () => {
    mustBe(await (await life()).give(fence, { outputs }, options));
    const later = await life();
    expect(later.outputsOf(fence)).toEqual(outputs);
    await later.retain([]);
    expect((await life()).outputsOf(fence)).toEqual([]);
  });

  it('that a killed life had unpacked do not stay', async () => {
    const unpacked = (await life()).unpackIn(fence);
    await mkdir(unpacked, { recursive: true });
    await writeFile(join(unpacked, 'half'), 'an outp');
    await life();
    await expect(stat(unpacked)).rejects.toThrow('ENOENT');
  });
});
