/** One suite for each service that a provider may be: played as it is documented, asked as the gateway asks. */
import { failure, GridError } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { chat, GatewayFixture } from '../gateway.fixture.ts';
import { documentedPeers } from './documented-peers.fixture.ts';
import { FallbackDoor } from './fallback-door.ts';
import { Provider } from './provider.ts';
import { chatAnswer, ReplayedPeer } from './replayed-peer.fixture.ts';

const fixture = new GatewayFixture();
const secret = 'sk-do-not-tell';
const log = createLog({ daemon: 'gateway', level: 'silent' });

describe.each(documentedPeers)('$name', ({ name, api, path, keyHeader, ...answers }) => {
  let peer: ReplayedPeer;
  let next: ReplayedPeer;
  let url: string;

  async function provider(called: string): Promise<[ReplayedPeer, Provider]> {
    const played = new ReplayedPeer();
    const options = { name: called, api, url: await played.start(), key: secret, timeoutMs: 20_000 };
    fixture.onEnd(() => played.stop());
    return [played, new Provider(options, { clock: systemClock, alarms: systemAlarms })];
  }

  beforeEach(async () => {
    const [one, asked] = await provider(name);
    const [two, other] = await provider('other');
    [peer, next] = [one, two];
    const fallbacks = [asked, other].map((each) => ({ provider: each, model: `theirs-of-${each.name}` }));
    const models = new Map([['large', fallbacks]]);
    fixture.door = new FallbackDoor({ grid: fixture.grid, models, clock: systemClock, log });
    fixture.grid.refuses = new GridError(failure('rejected.not-found', 'no such model'));
    url = await fixture.open();
  });

  const ask = (more: object = {}) => fixture.ask(`${url}${path}`, chat({ model: 'large', ...more }));

  it('is asked by its name of the model with its key, and its answer is passed on as it is', async () => {
    peer.answers = [answers.whole];
    const told = await ask({ temperature: 0.5 });
    expect(told).toMatchObject({ status: 200, body: answers.whole.pieces.join('') });
    expect(peer.asked).toMatchObject([{ path, body: { model: `theirs-of-${name}`, temperature: 0.5 } }]);
    const key = keyHeader === 'authorization' ? `Bearer ${secret}` : secret;
    expect(peer.asked[0]?.headers[keyHeader]).toBe(key);
  });

  it('streams, whatever is in its events', async () => {
    peer.answers = [answers.stream];
    const told = await ask({ stream: true });
    expect(told).toMatchObject({ status: 200, body: answers.stream.pieces.join('') });
    expect(told.headers['content-type']).toContain('text/event-stream');
  });

  it('that is busy is asked again, and then the next is', async () => {
    peer.answers = [answers.busy, answers.whole];
    expect(await ask()).toMatchObject({ status: 200, body: answers.whole.pieces.join('') });
    peer.answers = [answers.busy, answers.busy];
    next.answers = [chatAnswer];
    expect(await ask()).toMatchObject({ status: 200, body: chatAnswer.pieces.join('') });
    expect([peer.asked.length, next.asked.length]).toEqual([4, 1]);
  });

  it('that has not what it was named for, or refuses its key, is passed over at once, and nobody hears of the key', async () => {
    for (const [answer, words] of [
      [answers.unknownModel, 'what it is asked for'],
      [answers.keyRefused, 'refuses the key'],
    ] as const) {
      peer.answers = [answer];
      next.answers = [answer];
      const told = await ask();
      expect(told.status).toBe(502);
      expect(told.body).toContain(words);
      expect(told.body).not.toContain(secret);
    }
    expect([peer.asked.length, next.asked.length]).toEqual([2, 2]);
  });

  it('that refuses the question is heard, in its own words', async () => {
    peer.answers = [answers.wrong];
    expect(await ask()).toMatchObject({ status: 400, body: answers.wrong.pieces.join('') });
    expect(next.asked).toEqual([]);
  });
});
