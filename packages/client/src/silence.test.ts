/** How it is told that no session comes of a grid's brokers. The other end is the test's. */
import {
  type BrokerConnection,
  createIdentity,
  createLog,
  type DealerEvents,
  gridIdOf,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { Client } from './client.ts';

const endpoint = 'tcp://127.0.0.1:7600';
const firstSessionMs = 10_001;
const ignore = () => undefined;

/** What is told to who runs out of patience after `hears`. */
async function told(hears: (events: DealerEvents) => void): Promise<unknown> {
  const identity = createIdentity();
  let losePatience: () => void = ignore;
  const client = new Client({
    grid: gridIdOf(identity.key),
    brokers: [{ endpoint, curveKey: identity.curve.publicKey }],
    identity,
    role: 'admin',
    clock: systemClock,
    alarms: {
      after(ms, run) {
        if (ms !== firstSessionMs) return systemAlarms.after(ms, run);
        losePatience = run;
        return ignore;
      },
    },
    random: systemRandom,
    log: createLog({ daemon: 'test', level: 'silent' }),
    firstSessionMs,
    dial: (_, events): BrokerConnection => {
      hears(events);
      return { send: () => 'queued', drop: ignore, close: async () => undefined };
    },
  });
  const started = client.start().catch((error: unknown) => error);
  losePatience();
  const error = await started;
  await client.close();
  return error;
}

it('nobody who answers is told of as that', async () => {
  expect(await told(ignore)).toMatchObject({
    failure: { code: 'lost.broker', message: `no broker answered at ${endpoint} for 10.001 s` },
  });
});

it('who listens there without the broker’s key is told of', async () => {
  expect(await told(({ onHungUp }) => onHungUp())).toMatchObject({
    failure: {
      code: 'lost.broker',
      message: expect.stringContaining(`: what listens at ${endpoint} did not prove the broker’s key;`),
    },
  });
});
