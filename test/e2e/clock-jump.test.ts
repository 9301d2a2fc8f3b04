/** The time of day is set while a grid runs, on the broker's machine: nothing ends, and outputs can still be read. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, type Service, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import { createWorker } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

const dayMs = 86_400_000;
let jumpedMs = 0;
const clock = { ...systemClock, wall: () => systemClock.wall() + jumpedMs };

let broker: BrokerFixture;
let worker: Service;
let home: string;

beforeEach(async () => {
  jumpedMs = 0;
  home = mkdtempSync(join(tmpdir(), 'gg-clock-'));
  broker = new BrokerFixture({ clock });
  const identity = broker.enrol('worker', 'forge');
  await broker.start();
  worker = createWorker(
    {
      grid: broker.grid,
      name: 'forge',
      home,
      brokers: [{ endpoint: broker.endpoint, curveKey: broker.identity.curve.publicKey }],
      labels: {},
      allowProcess: true,
      allowNoop: false,
      dataEndpoints: [`ipc://${home}/data.sock`],
      brokerKey: () => broker.identity.key,
    },
    {
      identity,
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: createLog({ daemon: 'worker', level: 'silent' }),
      onRefused: (failure) => broker.fatal.push(failure),
      nvidiaSmi: join(home, 'none'),
    },
  );
  await worker.start();
});

afterEach(async () => {
  await worker.stop();
  await broker.stop();
  rmSync(home, { recursive: true });
  expect(broker.fatal).toEqual([]);
});

it.each([-dayMs, dayMs])('by %d ms', async (jump) => {
  const client = await broker.client();
  const flag = join(home, 'go');
  const line = `echo before; until [ -e ${flag} ]; do sleep 0.05; done; echo after`;
  const task = client.submit({
    kind: 'process',
    body: { command: ['sh', '-c', line] },
    timeoutMs: 3_600_000,
  });
  const id = await task.accepted;
  const output = async (follow: boolean, until: string): Promise<string> => {
    let text = '';
    for await (const bytes of client.logs(id, { follow })) {
      text += Buffer.from(bytes).toString();
      if (text.includes(until)) break;
    }
    return text;
  };
  expect(await output(true, 'before')).toBe('before\n');
  jumpedMs = jump;
  expect(await output(true, 'before')).toBe('before\n');
  const other = client.submit({ kind: 'process', body: { command: ['touch', flag] } });
  expect(await other.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect(await task.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect(await output(false, 'after')).toBe('before\nafter\n');
});
