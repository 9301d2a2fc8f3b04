/** A broker that is killed under a hundred workers: they all come back at once, and no task is lost or begun again. */
import { gridOf, loadMembership } from '@gryphgen/client';
import { AuthorizedKeys, loadIdentity } from '@gryphgen/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BareWorker } from '../bench/bare-worker.ts';
import { DaemonsFixture } from './daemons.fixture.ts';

const names = Array.from({ length: 100 }, (_, index) => `worker-${index}`);
const tasksEach = 4;
/** Of its tasks a worker runs two at a time. */
const resources = { cpuMilli: 500, memoryBytes: 0, diskBytes: 0 };

let grid: DaemonsFixture;
beforeAll(() => {
  grid = new DaemonsFixture();
  grid.prepare();
  const authorized = new AuthorizedKeys(grid.home);
  for (const name of names) {
    const { key, curve } = loadIdentity(grid.home, name);
    authorized.add({ key, curveKey: curve.publicKey, role: 'worker', name, addedAt: Date.now() });
  }
});
afterAll(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

it('kill -9 of the broker, again as soon as all are back', { timeout: 180_000 }, async () => {
  const broker = grid.daemon(['broker']);
  const client = await grid.client();
  const starts: number[] = [];
  const back = new Set<string>();
  let allBack: () => void = () => undefined;
  const membership = loadMembership(grid.home);
  for (const name of names) {
    const worker = new BareWorker({
      name,
      grid: gridOf(membership),
      broker: { endpoint: grid.endpoint, curveKey: membership.brokerCurveKey },
      identity: loadIdentity(grid.home, name),
      onSession: () => {
        back.add(name);
        if (back.size === names.length) allBack();
      },
      onStart: (task) => starts.push(task),
    });
    grid.onStop(() => worker.stop());
  }
  const restart = async (): Promise<void> => {
    await broker.kill();
    back.clear();
    const areBack = new Promise<void>((resolve) => {
      allBack = resolve;
    });
    broker.start();
    await areBack;
  };

  const submitted = Array.from({ length: names.length * tasksEach }, () =>
    client.submit({ kind: 'noop', resources, onLinkLost: 'wait', body: { sleepMs: 1000 } }),
  );
  await submitted[names.length]?.accepted;
  await restart();
  await restart();
  const ends = await Promise.all(submitted.map(({ finished }) => finished));
  for (const end of ends) expect(end).toMatchObject({ state: 'succeeded' });
  const byNumber = (a: number, b: number) => a - b;
  expect(starts.sort(byNumber)).toEqual(ends.map(({ task }) => task).sort(byNumber));
});
