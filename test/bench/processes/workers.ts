/** Many workers in one process, each with a key and a link of its own: `workers.ts HOME ENDPOINT COUNT`. */
import { join } from 'node:path';
import { brokerAddresses, gridOf, loadMembership } from '@gryphgen/client';
import { createLog, loadIdentity, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import { createWorker } from '@gryphgen/worker';

const [home = '', endpoint = '', count = '1'] = process.argv.slice(2);
const membership = loadMembership(home);

function run(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = createWorker(
      {
        grid: gridOf(membership),
        name,
        home: join(home, name),
        brokers: brokerAddresses(membership, [endpoint]),
        labels: {},
        slots: 1024,
        allowProcess: false,
        allowNoop: true,
        dataEndpoints: [],
        brokerKey: () => membership.brokerKey,
      },
      {
        identity: loadIdentity(home, name),
        clock: systemClock,
        alarms: systemAlarms,
        random: systemRandom,
        log: createLog({ daemon: name, level: 'error' }),
        onRefused: (why) => reject(new Error(why.message)),
        onSession: () => resolve(),
      },
    );
    worker.start().catch(reject);
  });
}

process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
const names = Array.from({ length: Number(count) }, (_, index) => `worker-${index}`);
await Promise.all(names.map(run));
process.send?.({ kind: 'ready', details: {} });
