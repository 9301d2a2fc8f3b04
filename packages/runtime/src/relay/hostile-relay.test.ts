/** Strangers and members that speak frames to the relay. */
import { encodeBody } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { curveKeyPair, Dealer } from 'zeromq';
import { curve, Echo, grantFor, order, worker } from '../data-exec.fixture.ts';
import { chunkBytes, type DataAnswer, decodeDataAnswer, encodeData } from '../data-wire.ts';
import { afterTest } from '../scratch.fixture.ts';
import { RelayedGrid } from './relay.fixture.ts';
import { encodeJoin, noFrame, relayMagic } from './relay-wire.ts';

function strangerAt(endpoint: string) {
  const { publicKey, secretKey } = curveKeyPair();
  const keys = { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: curve.publicKey };
  const dealer = new Dealer({ linger: 0, ...keys });
  afterTest(() => dealer.close());
  dealer.connect(endpoint);
  const answer = async (): Promise<DataAnswer | undefined> =>
    decodeDataAnswer((await dealer.receive()).at(-1) as Buffer);
  const say = (...parts: (Uint8Array | string)[]) => dealer.send([relayMagic, ...parts]);
  return { say, answer, frames: () => dealer.receive() };
}
type Dealt = ReturnType<typeof strangerAt>;

const open = (grant: string) =>
  encodeData({ kind: 'exec', task: 42, attempt: 1, grant, credit: 0, order } as never);

it('who sends more than it was granted is ended, whoever notices first, and nobody else is', async () => {
  let takes = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    takes = resolve;
  });
  // Takes nothing of what it is sent.
  const shut = (signal: AbortSignal): Echo => Object.assign(new Echo(signal), { gate });
  const grid = await RelayedGrid.start({ exec: async (_, signal) => shut(signal) });
  afterTest(() => takes());
  const { say, answer } = strangerAt(grid.place.endpoint);
  await say(worker, open(grantFor({ worker })));
  expect(await answer()).toMatchObject({ kind: 'credit' });
  const piece = encodeData({ kind: 'input', bytes: Buffer.alloc(chunkBytes) });
  for (let times = 0; times < 200; times += 1) await say(piece);
  let end = await answer();
  while (end?.kind !== 'end') end = await answer();
  expect(end.failure).toMatchObject({ code: 'rejected.limit' });
  const other = strangerAt(grid.place.endpoint);
  await other.say(worker, open(grantFor({ worker })));
  expect(await other.answer()).toMatchObject({ kind: 'credit' });
});

it('frames that make no sense are counted, and cost nobody a connection', async () => {
  const grid = await RelayedGrid.start({ exec: async (_, signal) => new Echo(signal) });
  const { say, answer } = strangerAt(grid.place.endpoint);
  await say();
  await say(noFrame);
  await say('x');
  await say(encodeBody({ kind: 'relay', grant: 7 }));
  await say(worker, 'x');
  await say(worker, encodeData({ kind: 'credit', total: 1 }));
  await say('a', 'b', 'c');
  await say(encodeJoin('no grant'));
  expect(await answer()).toMatchObject({ kind: 'end', failure: { code: 'rejected.forbidden' } });
  expect(grid.beside.relay?.counters).toMatchObject({ relayMalformed: 7, relayRefused: 1, relayed: 0 });
  await say(worker, open(grantFor({ worker })));
  expect(await answer()).toMatchObject({ kind: 'credit' });
});

it('a worker says nothing to who has not asked it', async () => {
  const grid = await RelayedGrid.start({});
  const [good, evil, asker] = [1, 2, 3].map(() => strangerAt(grid.place.endpoint)) as [Dealt, Dealt, Dealt];
  const [one, another] = ['w-aaaaaaaaaaaaaaaa', 'w-bbbbbbbbbbbbbbbb'];
  for (const [stranger, id] of [
    [good, one],
    [evil, another],
  ] as const) {
    await stranger.say(encodeJoin(grantFor({ op: 'relay', worker: id })));
    expect(await stranger.answer()).toEqual({ kind: 'alive' });
  }
  await asker.say(one as string, open(grantFor({ worker: one })));
  const [, key = ''] = await good.frames();
  await evil.say(key, encodeData({ kind: 'end', failure: null }));
  // Behind it, so that it has been passed over by then.
  await evil.say();
  expect(await evil.answer()).toEqual({ kind: 'alive' });
  await good.say(key, encodeData({ kind: 'credit', total: 7 }));
  expect(await asker.answer()).toEqual({ kind: 'credit', total: 7 });
});
