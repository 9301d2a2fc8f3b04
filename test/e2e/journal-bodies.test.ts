/**
 * Bodies in the journal of a real broker: those of tasks that ended long ago go, and the database stops growing; a broker
 * killed meanwhile still has every body that an unfinished task needs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openJournal, recover } from '@gryphgen/broker';
import { type Client, prepareTask } from '@gryphgen/client';
import { limits, type TaskId, type ToBroker, type ToWorker } from '@gryphgen/protocol';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, expect, test } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

const bodyBytes = 2048;
/** A snapshot after about a thousand tasks, or as many as the last one takes. */
const eager = { foldGroups: 20, foldBytes: 1024 ** 2, snapshotBytes: 2 * 1024 ** 2, snapshotGroups: 10_000 };
const noop = prepareTask({ kind: 'noop', resources: { cpuMilli: 1, memoryBytes: 0, diskBytes: 0 } });

let grid: BrokerFixture;
let brokers: ChildProcess[] = [];
afterEach(async () => {
  for (const broker of brokers) broker.kill('SIGKILL');
  brokers = [];
  await grid.stop();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bodyOf = (n: number) => Buffer.from(`${n} `.padEnd(bodyBytes, '.'));
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Ends each task at once, but those that `holds` it keeps to itself. */
const endsAll =
  (holds: (body: string) => boolean = () => false) =>
  (message: ToWorker, say: (message: ToBroker) => void): void => {
    if (message.kind !== 'lease' || holds(Buffer.from(message.body).toString())) return;
    const { task, attempt, epoch } = message;
    const [exitCode, failure, ranMs, outcome] = [0, null, 1, new Uint8Array(0)];
    say({ kind: 'result', task, attempt, epoch, exitCode, failure, ranMs, outcome });
  };

/** Tasks `from` to `to`, each with a body that no other has; resolves when those that `awaits` says have ended. */
async function submitAll(client: Client, from: number, to: number, awaits = (_: number) => true) {
  const accepted: Promise<TaskId>[] = [];
  const finished: Promise<unknown>[] = [];
  for (let n = from; n <= to; n += 1) {
    await client.room();
    const submitted = client.submit({ ...noop, bodyBytes: bodyOf(n) });
    accepted.push(submitted.accepted);
    if (awaits(n)) finished.push(submitted.finished);
  }
  const ids = await Promise.all(accepted);
  await Promise.all(finished);
  return ids;
}

test('let go with the tasks that ended long ago: the database stops growing', {
  timeout: 180_000,
}, async () => {
  grid = new BrokerFixture({ journal: eager });
  await grid.start();
  await grid.worker('anvil', endsAll());
  const client = await grid.client();
  const path = join(grid.home, 'journal', 'journal-1.db');
  /** In parts, because a broker that stops folds first, however busy the machine is. */
  const part = 2000;
  const submit = async (from: number, to: number) => {
    const ids: TaskId[] = [];
    for (let at = from; at < to; at += part) {
      ids.push(...(await submitAll(client, at, at + part - 1)));
      await grid.stopBroker();
      await grid.start();
    }
    return ids;
  };
  const size = () => {
    const db = new DatabaseSync(path, { readOnly: true });
    const { n } = db.prepare('SELECT count(*) AS n FROM blobs').get() as { n: number };
    db.close();
    return { blobs: n, bytes: statSync(path).size };
  };
  const [first] = await submit(1, 16_000);
  const before = size();
  const ids = await submit(16_001, 22_000);
  const end = size();
  // Besides those kept: what has come since the last two snapshots, each at the latest at the end of a part.
  expect(end.blobs).toBeGreaterThanOrEqual(limits.finishedTasks);
  expect(end.blobs).toBeLessThanOrEqual(limits.finishedTasks + 2 * part);
  expect(end.bytes - before.bytes).toBeLessThan(0.5 * 6000 * bodyBytes);

  await expect(client.request('spec', { task: first as TaskId })).rejects.toMatchObject({
    code: 'rejected.not-found',
    message: expect.stringContaining('not kept any more'),
  });
  const { body } = await client.request('spec', { task: ids[1] as TaskId });
  expect(Buffer.from(body)).toEqual(bodyOf(16_002));
  expect((await client.request('show', { task: first as TaskId })).body).toBe(hashOf(bodyOf(1)));
  expect(grid.fatal).toEqual([]);
});

test('of unfinished tasks survive a broker that is killed while it lets others go', {
  timeout: 240_000,
}, async () => {
  grid = new BrokerFixture();
  const begin = async () => {
    const script = fileURLToPath(new URL('./broker-process.mjs', import.meta.url));
    const endpoint = grid.endpoint === '' ? 'tcp://127.0.0.1:*' : grid.endpoint;
    const child = spawn(process.execPath, [script, grid.home, endpoint, JSON.stringify(eager)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    brokers.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      grid.endpoint = line;
      return child;
    }
    throw new Error('the broker ended before it was up');
  };
  /** Resolves when some have gone that were there: the broker is letting go of them. */
  const removing = async () => {
    const db = new DatabaseSync(join(grid.home, 'journal', 'journal-1.db'), { readOnly: true });
    const { newest } = db.prepare('SELECT max(id) AS newest FROM blobs').get() as { newest: number };
    const count = db.prepare('SELECT count(*) AS n FROM blobs WHERE id <= ?');
    const left = () => (count.get(newest) as { n: number }).n;
    for (const before = left(); left() === before; ) await pause(5);
    db.close();
  };
  const isHeld = (n: number) => n % 100 === 0;
  // Keys are read at the start: enrolled before the endpoint is known.
  const enrolled = { worker: grid.enrol('worker', 'anvil'), client: grid.enrol('admin', 'smith') };
  let broker = await begin();
  await grid.worker(
    'anvil',
    endsAll((body) => isHeld(Number.parseInt(body, 10))),
    {},
    enrolled.worker,
  );
  const client = await grid.client('admin', enrolled.client);
  const submit = (from: number, to: number) => submitAll(client, from, to, (n) => !isHeld(n));
  await submit(1, limits.finishedTasks + 2000);
  let last = limits.finishedTasks + 2000;
  for (let kill = 0; kill < 4; kill += 1) {
    let isRemoving = false;
    const seen = removing().then(() => {
      isRemoving = true;
    });
    const submitting: Promise<unknown>[] = [];
    while (!isRemoving) {
      submitting.push(submit(last + 1, last + 500));
      last += 500;
      await Promise.race([seen, submitting.at(-1)]);
    }
    broker.kill('SIGKILL');
    await once(broker, 'exit');
    if (kill < 3) broker = await begin();
    if (kill < 3) await Promise.all(submitting);
  }

  const opened = await openJournal({
    dir: join(grid.home, 'journal'),
    folder: new URL('../../packages/broker/dist/fold.js', import.meta.url),
    program: '0.1.0',
    holder: 'the test',
    wallMs: 0,
    onTrouble: (error) => {
      throw error;
    },
  });
  const { state, journal, findings } = await recover(opened, {});
  // A kill in the middle of a write leaves a last commit that nobody was told of, and nothing worse.
  expect(findings.filter(({ kind }) => kind !== 'torn')).toEqual([]);
  expect(state.tasks.size).toBeGreaterThan(100);
  for (const { body } of [...state.tasks.values(), ...state.ended.values()]) {
    expect(hashOf((await journal.blob(body)) as Uint8Array)).toBe(body);
  }
  expect(await journal.blob(hashOf(bodyOf(1)) as never)).toBeUndefined();
  await journal.close();
});
