/** What an operator does to a grid that runs: a real broker, asked and copied while tasks come and go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { checkStoppedHome, readAudit, restore, writeBackup } from '@gryphgen/broker';
import { type Client, prepareTask } from '@gryphgen/client';
import type { ToBroker, ToWorker } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

/** Snapshots all the time. */
const eager = { foldGroups: 5, foldBytes: 1024, snapshotBytes: 1, snapshotGroups: 20 };
const noop = prepareTask({ kind: 'noop' });

let broker: BrokerFixture;
const undo: (() => unknown)[] = [];
beforeEach(() => {
  broker = new BrokerFixture();
  undo.push(() => broker.stop());
});
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each();
});

function endsAll(message: ToWorker, say: (message: ToBroker) => void): void {
  if (message.kind !== 'lease') return;
  const { task, attempt, epoch } = message;
  const [exitCode, failure, ranMs, outcome] = [0, null, 1, new Uint8Array(0)];
  say({ kind: 'result', task, attempt, epoch, exitCode, failure, ranMs, outcome });
}

/** One task after the other, until it is asked for their number. */
function flow(client: Client): () => Promise<number> {
  let flowing = true;
  const ended = (async () => {
    let count = 0;
    for (; flowing; count += 1) await client.submit(noop).finished;
    return count;
  })();
  // Of a broker that is killed its end is told to whoever asks for it.
  ended.catch(() => undefined);
  return () => {
    flowing = false;
    return ended;
  };
}

it('fsck is answered while tasks come and go, with what workers have seen', async () => {
  await broker.start();
  const client = await broker.client();
  await broker.worker('anvil', endsAll);
  const stopFlow = flow(client);
  // Two at once are one check.
  const [found, same] = await Promise.all([client.request('fsck', {}), client.request('fsck', {})]);
  const count = await stopFlow();
  expect(count).toBeGreaterThan(0);
  expect(found).toEqual(same);
  expect(found).toMatchObject({ home: broker.home, live: true, witnesses: 0, findings: [] });
  expect(found.journal?.head.seq).toBeGreaterThan(0);

  const seq = found.journal?.head.seq ?? 0;
  await broker.worker('forge', () => undefined, {}, undefined, { seq: seq + 1000, digest: 'a'.repeat(64) });
  // A check waits for nobody: what the worker says is looked up beside it.
  let told = await client.request('fsck', {});
  while (told.witnesses === 0) told = await client.request('fsck', {});
  expect(told.witnesses).toBe(1);
  expect(told.findings).toMatchObject([{ level: 'damage', place: `commit ${seq + 1000}` }]);
  expect(told.findings[0]?.what).toContain('forge');
  const viewer = await broker.client('viewer');
  await expect(viewer.request('fsck', {})).rejects.toMatchObject({ code: 'rejected.forbidden' });
  expect(broker.fatal).toEqual([]);

  // What was asked is recorded: of the submissions their number, of the refusal who and what.
  await broker.stopBroker();
  const entries = readAudit(join(broker.home, 'audit'), { since: 0, principal: '', limit: 1000 });
  const submitted = entries
    .filter(({ what }) => what === 'submit')
    .reduce((sum, { count }) => sum + count, 0);
  expect(submitted).toBe(count);
  expect(entries.filter(({ code, what }) => code !== '' && what === 'fsck')).toMatchObject([
    { role: 'viewer', from: '127.0.0.1', what: 'fsck', code: 'rejected.forbidden', count: 1 },
  ]);
  const { audit, findings } = checkStoppedHome(broker.home);
  expect(audit?.signed).toBe(audit?.last);
  expect(findings).toEqual([]);
  rmSync(join(broker.home, 'audit'), { recursive: true });
  expect(checkStoppedHome(broker.home).findings).toMatchObject([
    { file: 'audit', what: expect.stringContaining('its end was cut') },
  ]);
});

it('a backup is whole while the broker works and folds and is killed; what came after it is named', {
  timeout: 120_000,
}, async () => {
  const { home } = broker;
  // The fixture's grid is named by its broker's key.
  copyFileSync(join(home, 'keys', 'broker.json'), join(home, 'keys', 'grid.json'));
  const keys = { worker: broker.enrol('worker', 'anvil'), client: broker.enrol('admin', 'smith') };
  const child = await beginProcess();
  await broker.worker('anvil', endsAll, {}, keys.worker);
  const client = await broker.client('admin', keys.client);
  const stopFlow = flow(client);
  await client.submit(noop).finished;
  const backup = (n: number) =>
    writeBackup({ home, file: join(home, `${n}.tar`), withKeys: true, wallMs: Date.now() });
  const made = [await backup(1)];
  // What works beside a backup lives in this process, and a backup leaves it little time.
  await client.submit(noop).finished;
  made.push(await backup(2));
  const before = made[1]?.head.seq ?? 0;
  expect(before).toBeGreaterThan(made[0]?.head.seq ?? 0);
  const lost = await client.submit(noop).accepted;
  const third = backup(3);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  made.push(await third);
  await exited;
  for (const { file } of made) {
    const restored = restore({ file, home: `${file}.home`, keys: '', wallMs: Date.now() });
    expect(checkStoppedHome(restored.home).findings).toEqual([]);
  }

  const { file = '' } = made[1] ?? {};
  const again = new BrokerFixture({}, `${file}.home`);
  undo.push(() => again.stop());
  await again.start();
  const other = await again.client('admin', keys.client);
  await expect(other.watch(lost)).rejects.toMatchObject({ code: 'rejected.not-found' });
  const next = await other.submit(noop).accepted;
  expect(next).toBeGreaterThan(lost + 1_000_000);
  await again.worker('forge', endsAll, {}, undefined, { seq: before + 2, digest: 'a'.repeat(64) });
  expect(await other.watch(next)).toMatchObject({ state: 'succeeded' });
  const { findings } = await other.request('fsck', {});
  // That the log goes on from an older journal is a note, where it does.
  const damage = findings.filter(({ level }) => level === 'damage');
  expect(damage).toMatchObject([{ place: `commit ${before + 2}` }]);
  await broker.stop();
  await expect(stopFlow()).rejects.toBeDefined();
});

async function beginProcess(): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./broker-process.mjs', import.meta.url));
  const args = [script, broker.home, 'tcp://127.0.0.1:*', JSON.stringify(eager)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  undo.push(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    broker.endpoint = line;
    return child;
  }
  throw new Error('the broker ended before it was up');
}
