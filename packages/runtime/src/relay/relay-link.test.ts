/** A worker that is stopped while it is told where the relay is: it makes no connection that nobody would close. */
import { expect, it } from 'vitest';
import { systemAlarms, systemClock } from '../clock.ts';
import { broker, curve, grantFor, grid, worker } from '../data-exec.fixture.ts';
import { DataServer } from '../data-server.ts';
import { createLog } from '../log.ts';
import { systemRandom } from '../random.ts';
import { RelayLink } from './relay-link.ts';

it('ends when it is stopped between the question and the connection', async () => {
  const data = new DataServer({
    ...{ endpoints: [], curve, grid, worker, brokerKey: () => broker.key, brokerWall: systemClock.wall },
    ...{ clock: systemClock, alarms: systemAlarms, open: () => new Error('no logs') as never },
  });
  let stopped: (ended: Promise<void>) => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const link = new RelayLink({
    ask: async () => {
      await Promise.resolve();
      stopped(link.stop());
      const broker = { endpoints: ['tcp://127.0.0.1:1'], dataKey: curve.publicKey };
      return { grant: grantFor({ op: 'relay', worker }), broker };
    },
    brokerEndpoint: () => 'tcp://127.0.0.1:1',
    ...{ transfers: data.transfers, alarms: systemAlarms, random: systemRandom },
    log: createLog({ daemon: 'worker', level: 'fatal' }),
  });
  link.start();
  await expect(ended).resolves.toBeUndefined();
});
