/** Slots that are taken (E42), at the worker's end of a channel. */
import { beforeEach, expect, it } from 'vitest';
import { systemAlarms } from '../clock.ts';
import { serverOf } from '../data-exec.fixture.ts';
import type { DataServer } from '../data-server.ts';
import { afterTest } from '../scratch.fixture.ts';
import { AnswerChannels } from './answer-channels.ts';
import { ChannelReader, channel, fenceOf, gone } from './answers.fixture.ts';

let channels: AnswerChannels;
let server: DataServer;
let endpoint: string;
beforeEach(async () => {
  channels = new AnswerChannels({ alarms: systemAlarms });
  server = serverOf({ answers: channels.serve });
  [endpoint = ''] = await server.start();
  afterTest(async () => {
    await server.stop();
    channels.close();
  });
});

const taken = async (asker: ChannelReader) => {
  const writer = channels.open(channel, 'p-1', fenceOf(1));
  const lent = writer.lend();
  const next = lent.next(new AbortController().signal);
  await asker.records.until((all) => all.some(({ kind }) => kind === 'want'));
  asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'take', proof: '0'.repeat(64) });
  expect(await next).toEqual({ proof: '0'.repeat(64) });
  const slot = lent.give();
  await asker.records.until((all) => all.some(({ kind }) => kind === 'given'));
  return { writer, slot };
};

it('it is given back with what was told last', async () => {
  const asker = new ChannelReader(endpoint);
  const { slot } = await taken(asker);
  for (const questions of [1, 2])
    asker.opened.all[0]?.tell({
      ...fenceOf(1),
      ...{ kind: 'done', result: { status: 200, firstMs: 0, restMs: 0, questions } },
    });
  asker.opened.all[0]?.tell({ ...fenceOf(1), kind: 'over', why: 'back' });
  await slot.back;
  expect(slot.told).toMatchObject({ questions: 2 });
});

it('it is back when who has it is gone, or revoked (E27)', async () => {
  const first = new ChannelReader(endpoint);
  const { writer, slot } = await taken(first);
  first.hangUp();
  await slot.back;
  await gone(writer);
  const second = new ChannelReader(endpoint);
  const other = await taken(second);
  server.revoke(['p-1']);
  expect(await second.over).toMatchObject({ code: 'rejected.forbidden' });
  await other.slot.back;
});
