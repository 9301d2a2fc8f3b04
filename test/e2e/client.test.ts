/** The SDK against a real grid: many tasks at once, keys, signals, and a broker that goes away. */
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, connect, type Outcome } from '@gryphgen/client';
import { brokerSocketPath, createLog } from '@gryphgen/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

const grid = new GridFixture();
const log = createLog({ daemon: 'test', level: 'silent' });
const endpoints = [`ipc://${brokerSocketPath(grid.home)}`];
const noop = { kind: 'noop', resources: { cpuMilli: 1, memoryBytes: 0, diskBytes: 0 } } as const;
let client: Client;

beforeAll(async () => {
  const { code, stderr } = await grid.grid('up', '--detach', '--noop');
  if (code !== 0) throw new Error(stderr);
  client = await connect({ home: grid.home, endpoints, log, bounds: { outstanding: 100 } });
});
afterAll(async () => {
  await client.close();
  await grid.stop();
});

it('puts no placement policy in force on the word of who asks: the broker judges it by what ran', async () => {
  const { version: from, ...parts } = (await client.request('policy', {})).inForce;
  const [since, pair] = [Date.now(), { before: 9000, after: 1 }];
  const lie = {
    trained: 7000,
    judged: 3000,
    since,
    until: since,
    mean: pair,
    p99: pair,
    gain: 0.99,
    leastGain: 0.9,
  };
  const asked = client.request('promotePolicy', {
    from,
    parts: { ...parts, finishWeight: 0.1 },
    evidence: lie,
  });
  const words = expect.stringContaining("only if the broker's own replay of the history is better with it");
  await expect(asked).rejects.toMatchObject({ code: 'rejected.state', message: words });
  expect((await client.request('policy', {})).inForce.version).toBe(from);
});

it('carries thousands of tasks, as fast as the grid takes them', async () => {
  const count = 5000;
  const finished: Promise<Outcome>[] = [];
  for (let n = 0; n < count; n += 1) {
    await client.room();
    finished.push(client.submit(noop).finished);
  }
  const outcomes = await Promise.all(finished);
  expect(new Set(outcomes.map(({ id }) => id)).size).toBe(count);
  expect(outcomes.every(({ state }) => state === 'succeeded')).toBe(true);
});

it('refuses what exceeds its window, in words', async () => {
  const submitted = Array.from({ length: 200 }, () => client.submit(noop));
  const accepted = await Promise.allSettled(submitted.map((each) => each.accepted));
  const refused = accepted.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(100);
  expect(refused[0]).toMatchObject({ reason: { code: 'rejected.limit' } });
  await Promise.allSettled(submitted.map(({ finished }) => finished));
});

it('answers others between the requests of one who asks for hundreds of things at once, without a pause', async () => {
  const other = await connect({ home: grid.home, endpoints, log });
  const listed: Promise<Outcome>[] = [];
  for (let n = 0; n < 300; n += 1) {
    await client.room();
    listed.push(client.submit(noop).finished);
  }
  await Promise.all(listed);
  let asking = true;
  const many = Array.from({ length: 300 }, async () => {
    while (asking) await client.request('ps', { all: true, limit: 300 });
  });
  expect((await other.request('status', {})).live).toBeGreaterThanOrEqual(0);
  expect(await other.submit(noop).finished).toMatchObject({ state: 'succeeded' });
  asking = false;
  await Promise.all(many);
  await other.close();
});

it('makes one task of one key', async () => {
  const [one, two] = [client.submit(noop, { key: 'k' }), client.submit(noop, { key: 'k' })];
  expect(await one.accepted).toBe(await two.accepted);
  expect((await one.finished).state).toBe('succeeded');
  expect((await two.finished).state).toBe('succeeded');
});

it('cancels by signal', async () => {
  const stop = new AbortController();
  const body = { command: ['sleep', '600'] };
  const { accepted, finished } = client.submit({ kind: 'process', body }, { signal: stop.signal });
  await accepted;
  stop.abort();
  expect(await finished).toMatchObject({ state: 'cancelled', failure: { code: 'cancelled.user' } });
});

it('stops waiting by signal, and the task goes on', async () => {
  const task = await client.submit({ kind: 'process', body: { command: ['sleep', '600'] } }).accepted;
  const stop = new AbortController();
  const watching = client.watch(task, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(watching).rejects.toThrow('enough');
  expect((await client.request('show', { task })).state).not.toBe('cancelled');
  await client.request('cancel', { task });
  expect((await client.watch(task)).state).toBe('cancelled');
});

it('says what is wrong with a task before it is sent', () => {
  expect(() => client.submit({ kind: 'container', body: { image: 'Bad Image', command: [] } })).toThrow(
    'image name',
  );
  expect(() => client.submit({ ...noop, priority: 1000 })).toThrow('task.priority');
});

it('waits for a broker that is restarted, and is answered once', async () => {
  const { accepted, finished } = client.submit({
    kind: 'process',
    body: { command: ['sleep', '600'] },
    onLinkLost: 'wait',
  });
  const task = await accepted;
  await grid.grid('down');
  const early = client.submit(noop);
  await grid.grid('up', '--detach', '--noop');
  expect((await early.finished).state).toBe('succeeded');
  await client.request('cancel', { task });
  expect(['cancelled', 'failed']).toContain((await finished).state);
});

describe('who is not let in', () => {
  const stranger = new GridFixture();
  afterAll(() => stranger.stop());

  it('is told so, soon, by a broker that does not know the key', async () => {
    copyFileSync(join(grid.home, 'grid.json'), join(stranger.home, 'grid.json'));
    const { code, stderr } = await stranger.grid('ps', '--broker', endpoints[0] as string);
    expect(stderr).toContain("does not know this machine's key (rejected.forbidden)");
    expect(code).toBe(7);
  });

  it('is told when it runs out of patience what stood in the way', async () => {
    const membership = JSON.parse(readFileSync(join(grid.home, 'grid.json'), 'utf8'));
    const gridKey = membership.gridKey.replace(/^./, (first: string) => (first === '_' ? 'A' : '_'));
    const other = { ...membership, gridKey };
    writeFileSync(join(stranger.home, 'grid.json'), JSON.stringify(other));
    cpSync(join(grid.home, 'keys', 'admin.json'), join(stranger.home, 'keys', 'admin.json'));
    // Long enough for a busy machine to be told.
    const connecting = connect({ home: stranger.home, endpoints, log, firstSessionMs: 8000 });
    await expect(connecting).rejects.toMatchObject({
      code: 'rejected.state',
      message: expect.stringContaining('this broker belongs to grid'),
    });
  });
});

it('is not disturbed by a callback that throws: its own watch ends', async () => {
  const { accepted, finished } = client.submit(noop);
  const task = await client.submit({ kind: 'process', body: { command: ['sleep', '600'] } }).accepted;
  const onChange = (): never => {
    throw new Error('of the caller');
  };
  await expect(client.watch(task, { onChange })).rejects.toThrow('of the caller');
  await client.request('cancel', { task });
  expect((await client.watch(task)).state).toBe('cancelled');
  await accepted;
  expect((await finished).state).toBe('succeeded');
});

it('closed while it is used: everything open ends with lost.link, and nothing after it hangs', async () => {
  const other = await connect({ home: grid.home, endpoints });
  const body = { command: ['sh', '-c', 'echo started; exec sleep 600'] };
  const { accepted, finished } = other.submit({ kind: 'process', body });
  const task = await accepted;
  const log = other.logs(task, { follow: true });
  expect((await log.next()).value).toEqual(new Uint8Array(Buffer.from('started\n')));
  const lost = { code: 'lost.link' };
  const open = [finished, other.watch(task), log.next()];
  const ends = Promise.all(open.map((promise) => expect(promise).rejects.toMatchObject(lost)));
  await other.close();
  await ends;
  await other.close();
  await expect(other.request('status', {})).rejects.toMatchObject(lost);
  await expect(other.submit(noop).accepted).rejects.toMatchObject(lost);
  await expect(other.logs(task).next()).rejects.toMatchObject(lost);
  await other.room();
  expect((await client.request('cancel', { task })).id).toBeDefined();
});

it('gives up after its patience, with lost.broker', async () => {
  const other = connect({
    home: grid.home,
    endpoints: ['ipc:///nonexistent/broker.sock'],
    log,
    firstSessionMs: 300,
  });
  await expect(other).rejects.toMatchObject({ code: 'lost.broker' });
});
