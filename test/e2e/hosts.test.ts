/**
 * A grid over four hosts of their own: the broker's, and three whose workers joined by ticket, one of them over a long line. Their
 * network is slow and loses packets, then is cut: to the one, from the other, then both ways for both; then one takes no connections.
 * At last the broker moves to another host. The timers are the real ones.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { type Client, connect, type Outcome, prepareTask, type TaskSpec } from '@gryphgen/client';
import { formatTaskId, parseTaskId, type TaskDocument, type TaskId } from '@gryphgen/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareHome } from '../../packages/cli/src/daemons/grid-home.ts';
import type { Running } from './cli-grid.fixture.ts';
import { type Host, hosts } from './hosts.fixture.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('hosts.test.ts is SKIPPED: only root makes network namespaces');

const MiB = 2 ** 20;
const inputBytes = 16 * MiB;
/** What the store beside the broker has room for: more stays where it was made. */
const besideBytes = 24 * MiB;
const outputBytes = 32 * MiB;
/** Of the long line, each way, and what comes to that. */
const [farMs, farMoreMs] = [80, 10];
/** Of which a host runs one at a time. */
const mostOfHost = { cpuMilli: availableParallelism() * 600, memoryBytes: 0, diskBytes: 0 };
const none = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };

describe.skipIf(!isRoot)('hosts', () => {
  let forge: Host;
  let anvil: Host;
  let ingot: Host;
  let mill: Host;
  let made: readonly Host[] = [];
  let broker: Running;
  let client: Client;

  beforeAll(async () => {
    made = hosts('forge', 'anvil', 'ingot', 'mill');
    [forge, anvil, ingot, mill] = made as [Host, Host, Host, Host];
    prepareHome(forge.home, Date.now());
    forge.env.GRID_ARTIFACTS_BYTES = String(besideBytes);
    broker = forge.start('broker', '--listen', `tcp://${forge.address}:7600`);
    client = await connect({ home: forge.home, firstSessionMs: 60_000 });
    await mill.farFrom(forge, farMs, farMoreMs, 7600, 7601);
    await Promise.all([
      joined(anvil, 'anvil'),
      joined(ingot, 'ingot', '--data-endpoint', 'none'),
      joined(mill, 'mill', '--data-endpoint', 'none'),
    ]);
    await until(async () => (await statesOf('anvil', 'ingot', 'mill')).every((state) => state === 'ready'));
  }, 180_000);
  afterAll(async () => {
    await client?.close();
    for (const host of [...made].reverse()) await host.stop();
  }, 180_000);

  async function joined(host: Host, name: string, ...flags: readonly string[]): Promise<void> {
    const reach = `tcp://${host === mill ? '127.0.0.1' : forge.address}:7600`;
    const { ticket } = await forge.json<{ ticket: string }>('ticket', 'create', '--reach', reach);
    const { code, stderr } = await host.grid('join', '--yes', '--no-service', '--name', name, ticket);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    host.start('worker', '--allow-process', ...flags);
  }

  async function statesOf(...names: readonly string[]): Promise<readonly (string | undefined)[]> {
    const nodes = await client.request('nodes', {});
    return names.map((name) => nodes.find((node) => node.name === name)?.state);
  }

  const show = (task: TaskId) => client.request('show', { task });
  const file = (name: string) => join(forge.home, name);

  /**
   * A task that runs until it is told to end. A second try of it ends at once, and well if the first was over by then. Resolves
   * when it runs.
   */
  async function started(name: string, over: Partial<TaskSpec>): Promise<Started> {
    const [tries, told, ended] = ['tries', 'told', 'over'].map((what) => file(`${name}.${what}`));
    const script = `echo try | tee -a ${tries}
      if [ $(wc -l < ${tries}) -gt 1 ]; then [ -e ${ended} ]; exit; fi
      trap 'touch ${ended}; exit 1' TERM
      until [ -e ${told} ]; do sleep 0.1; done
      touch ${ended}`;
    const body = { command: ['sh', '-c', script] };
    const { accepted, finished } = client.submit({ kind: 'process', body, ...over } as TaskSpec);
    const id = await accepted;
    await until(async () => (await show(id)).state === 'running');
    return {
      id: formatTaskId(id),
      finished,
      show: () => show(id),
      tell: () => writeFileSync(file(`${name}.told`), ''),
      tries: () => readFileSync(file(`${name}.tries`), 'utf8').length / 'try\n'.length,
    };
  }

  it('over a line of 80 ms each way, which loses packets too, a task has its input, its log is followed, its output had', async () => {
    mill.lose(0.02);
    const began = performance.now();
    const { finished } = client.submit({
      kind: 'process',
      constraints: { worker: 'mill', labels: {} },
      body: { command: ['true'] },
    });
    expect(await finished).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(performance.now() - began).toBeGreaterThan(2 * farMs);

    const data = randomBytes(4 * MiB);
    writeFileSync(file('far'), data);
    const script = `echo begun; until [ -e ${file('told')} ]; do sleep 0.1; done; cp in/far out/back; echo over`;
    const files = ['--in', 'far', '--out', '/out/back', '--cpu', '0.1'];
    const id = await forge.submit('--worker', 'mill', ...files, '--', 'sh', '-c', script);
    const log = forge.start('logs', '--follow', id);
    await log.said('begun');
    writeFileSync(file('told'), '');
    expect(await log.end()).toMatchObject({ code: 0, stdout: expect.stringMatching(/begun\nover\n$/) });
    const ended = await client.watch(parseTaskId(id) as TaskId);
    expect(ended).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await forge.grid('get', id, '-o', 'got')).toMatchObject({ code: 0 });
    expect(readFileSync(join(forge.home, 'got/back')).equals(data)).toBe(true);
    mill.hearAll();
    // The others are to be had for what follows.
    await client.request('drain', { node: 'mill', draining: true });
  });

  it('over a slow network that loses one packet in ten, all tasks end', async () => {
    for (const host of made) {
      host.lose(0.1);
      host.slow(1000);
    }
    const submitted = Array.from({ length: 10 }, () =>
      client.submit({ kind: 'process', resources: mostOfHost, body: { command: ['sleep', '0.1'] } }),
    );
    for (const { finished } of submitted)
      expect(await finished).toMatchObject({ state: 'succeeded', attempts: 1 });
    const ids = await Promise.all(submitted.map(({ accepted }) => accepted));
    const workers = await Promise.all(ids.map(async (id) => (await show(id)).workerName));
    expect(new Set(workers)).toEqual(new Set(['anvil', 'ingot']));
    for (const host of made) {
      host.hearAll();
      host.slow(200_000);
    }
  });

  it('from worker to worker straight, and where that was cut through the relay', async () => {
    const write = `head -c ${outputBytes} /dev/urandom > out/data; sha256sum < out/data > ${file('sum')}`;
    const on = (worker: string) => ({ resources: none, constraints: { worker, labels: {} } });
    const body = { command: ['sh', '-c', write], outputs: ['/out/data'] };
    const making = client.submit({ kind: 'process', ...on('anvil'), body });
    expect(await making.finished).toMatchObject({ state: 'succeeded' });
    const { outputs } = await show(await making.accepted);
    expect(outputs).toMatchObject([{ bytes: outputBytes, copied: false }]);
    const brought = (outputs ?? []).map(({ digest, bytes }) => ({ digest, bytes }));

    anvil.slow(30_000);
    const [gave, got] = [forge.received(), ingot.received()];
    const compare = { command: ['sh', '-c', `sha256sum < in/data | cmp - ${file('sum')}`] };
    const inputs = [{ from: 'anvil', to: '/in/data' }];
    const reading = prepareTask({ kind: 'process', ...on('ingot'), body: compare, inputs }, brought);
    const { finished } = client.submit(reading);
    await until(async () => ingot.received() - got > outputBytes / 3);
    expect(forge.received() - gave).toBeLessThan(outputBytes / 10);
    anvil.refuse(ingot);
    anvil.slow(200_000);
    expect(await finished).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(ingot.received() - got).toBeLessThan(1.5 * outputBytes);
    expect(forge.received() - gave).toBeGreaterThan(outputBytes / 10);
    expect(forge.received() - gave).toBeLessThan(outputBytes);
    anvil.hearAll();
  });

  it('cut off: what may move moves, what waits goes on, each commits once; a transfer goes on where it was', {
    timeout: 180_000,
  }, async () => {
    const moving = [
      await started('first', { resources: mostOfHost }),
      await started('second', { resources: mostOfHost }),
    ];
    const waiting = await Promise.all(
      ['anvil', 'ingot'].map((worker) =>
        started(worker, { resources: none, onLinkLost: 'wait', constraints: { worker, labels: {} } }),
      ),
    );
    const places = await Promise.all(moving.map(async (task) => (await task.show()).workerName));
    expect(new Set(places)).toEqual(new Set(['anvil', 'ingot']));
    // Where they may move to.
    forge.start('worker', '--allow-process', '--name', 'forge');
    await until(async () => (await statesOf('forge'))[0] === 'ready');
    forge.slow(20_000);
    const before = anvil.received();
    const { finished: given } = await transfer();
    await until(async () => anvil.received() - before > inputBytes / 3);

    anvil.deafTo(forge);
    forge.deafTo(ingot);
    // Its result is there before its worker gives it up, and cannot be told.
    moving[places.indexOf('ingot')]?.tell();
    for (const { finished, show } of moving) {
      expect(await finished).toMatchObject({ state: 'succeeded', attempts: 2 });
      expect(await show()).toMatchObject({ workerName: 'forge' });
    }
    expect(await statesOf('anvil', 'ingot')).toEqual(['away', 'away']);
    for (const task of waiting) {
      expect(await task.show()).toMatchObject({ state: 'running', attempts: 1 });
      task.tell();
    }
    forge.deafTo(anvil);
    ingot.deafTo(forge);
    const { fenced } = (await client.request('status', {})).counters;

    forge.slow(200_000);
    for (const host of made) host.hearAll();
    for (const { finished } of waiting)
      expect(await finished).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(await given).toMatchObject({ state: 'succeeded', attempts: 1 });
    const moved = anvil.received() - before;
    console.log(`of ${inputBytes} bytes ${moved - inputBytes} were sent again, with all else that was said`);
    expect(moved).toBeLessThan(1.75 * inputBytes);

    // The late result: heard, and without effect.
    await until(async () => ((await client.request('status', {})).counters.fenced ?? 0) > (fenced ?? 0));
    for (const { show, tries } of moving) {
      expect(await show()).toMatchObject({ state: 'succeeded', attempts: 2, workerName: 'forge' });
      expect(tries()).toBe(2);
    }
    expect(waiting.map(({ tries }) => tries())).toEqual([1, 1]);
    expect((await client.request('fsck', {})).findings.filter(({ level }) => level === 'damage')).toEqual([]);
  });

  it('who takes no connections, or has no port, is had through the relay: logs as they grow, and commands beside a task', {
    timeout: 120_000,
  }, async () => {
    anvil.takeNoConnections();
    const script = 'echo begun; until [ -e /tmp/told ]; do sleep 0.1; done; echo over';
    const id = await forge.submit(
      ...['--image', 'gryphgen-test:latest', '--worker', 'anvil', '--cpu', '0.1'],
      ...['--', 'sh', '-c', script],
    );
    const log = forge.start('logs', '--follow', id);
    await log.said('begun');
    const { code, stdout, stderr } = await forge.grid('exec', id, '--', 'touch', '/tmp/told');
    expect([code, stdout, stderr]).toEqual([0, '', '']);
    expect(await log.end()).toMatchObject({ code: 0, stdout: 'begun\nover\n' });
    const silent = await started('told', { resources: none, constraints: { worker: 'ingot', labels: {} } });
    const followed = forge.start('logs', '--follow', silent.id);
    await followed.said('try');
    silent.tell();
    expect(await followed.end()).toMatchObject({ code: 0 });
    await until(async () => ((await client.request('status', {})).door['artifacts relayed'] ?? 0) >= 3);
    // Straight again, for who can.
    anvil.hearAll();
  });

  it('restored on another host, the broker has what ran and who was there: nobody joins again', async () => {
    const kept = await started('kept', {
      ...{ resources: none, onLinkLost: 'wait', constraints: { worker: 'anvil', labels: {} } },
    });
    const left = expect(kept.finished).rejects.toMatchObject({ code: 'lost.link' });
    const place = `tcp://${mill.address}:7600`;
    expect(await forge.grid('broker', 'announce', place)).toMatchObject({ code: 0 });
    broker.child.kill('SIGTERM');
    expect(await broker.end()).toMatchObject({ code: 0 });
    expect(await forge.grid('backup', file('grid.tar'))).toMatchObject({ code: 0 });
    await client.close();
    await left;
    // That machine is gone.
    for (const host of [anvil, ingot, mill]) host.deafTo(forge);
    const home = join(mill.home, 'grid');
    const restored = await mill.grid('restore', file('grid.tar'), '--home', home, '--reach', place);
    expect([restored.code, restored.stderr]).toEqual([0, expect.any(String)]);
    mill.start('broker', '--home', home, '--listen', place);
    client = await connect({ home, firstSessionMs: 60_000 });
    await until(async () => (await statesOf('anvil', 'ingot')).every((state) => state === 'ready'));
    kept.tell();
    const task = parseTaskId(kept.id) as TaskId;
    expect(await client.watch(task)).toMatchObject({ state: 'succeeded', attempts: 1 });
    const body = { command: ['echo', 'here'] };
    for (const worker of ['anvil', 'ingot']) {
      const more = client.submit({ kind: 'process', body, constraints: { worker, labels: {} } });
      expect(await more.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
      const id = formatTaskId(await more.accepted);
      expect(await mill.grid('logs', '--home', home, id)).toMatchObject({ code: 0, stdout: 'here\n' });
    }
    expect((await client.request('fsck', {})).findings.filter(({ level }) => level === 'damage')).toEqual([]);
  }, 180_000);

  /** A file that anvil is given; the task is well if it is whole. */
  async function transfer(): Promise<{ readonly finished: Promise<Outcome> }> {
    const data = randomBytes(inputBytes);
    writeFileSync(file('data'), data);
    const digest = createHash('sha256').update(data).digest('hex');
    const rule = ['--on-link-lost', 'wait', '--cpu', '0.1', '--worker', 'anvil', '--in', 'data'];
    const id = await forge.submit(...rule, '--', 'sh', '-c', `sha256sum in/data | grep ${digest}`);
    return { finished: client.watch(parseTaskId(id) as TaskId) };
  }
});

interface Started {
  readonly id: string;
  readonly finished: Promise<Outcome>;
  show(): Promise<TaskDocument>;
  /** To end. */
  tell(): void;
  /** How often it was begun. */
  tries(): number;
}

/** Looks again and again, for as long as the test may last. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pass(50);
}
