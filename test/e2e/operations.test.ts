/** What an operator does to a grid that runs: a real broker, asked and copied while tasks come and go. */

import { prepareTask } from '@gryphgen/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

const broker = new BrokerFixture();
const noop = prepareTask({ kind: 'noop' });

beforeAll(() => broker.start());
afterAll(() => broker.stop());

it('fsck is answered while tasks come and go, with what workers have seen', async () => {
  const client = await broker.client();
  await broker.worker('anvil', (message, say) => {
    if (message.kind !== 'lease') return;
    const { task, attempt, epoch } = message;
    say({
      kind: 'result',
      task,
      attempt,
      epoch,
      exitCode: 0,
      failure: null,
      ranMs: 1,
      outcome: new Uint8Array(0),
    });
  });
  let asked = true;
  const flow = (async () => {
    let ended = 0;
    for (; asked; ended += 1) await client.submit(noop).finished;
    return ended;
  })();
  // Two at once are one check.
  const [found, same] = await Promise.all([client.request('fsck', {}), client.request('fsck', {})]);
  asked = false;
  expect(await flow).toBeGreaterThan(0);
  expect(found).toEqual(same);
  expect(found).toMatchObject({ home: broker.home, live: true, witnesses: 0, findings: [] });
  expect(found.journal?.head.seq).toBeGreaterThan(0);

  const seq = found.journal?.head.seq ?? 0;
  await broker.worker('forge', () => undefined, {}, undefined, { seq: seq + 1000, digest: 'a'.repeat(64) });
  const told = await client.request('fsck', {});
  expect(told.witnesses).toBe(1);
  expect(told.findings).toMatchObject([{ level: 'damage', place: `commit ${seq + 1000}` }]);
  expect(told.findings[0]?.what).toContain('forge');
  const viewer = await broker.client('viewer');
  await expect(viewer.request('fsck', {})).rejects.toMatchObject({ code: 'rejected.forbidden' });
  expect(broker.fatal).toEqual([]);
});
