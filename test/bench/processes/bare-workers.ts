/**
 * Many workers in one process, each with a key and a link of its own: `bare-workers.ts HOME ENDPOINT COUNT`. Told
 * anything, it answers `back` when each of them has had a new session since.
 */
import { gridOf, loadMembership } from '@gryphgen/client';
import { loadIdentity } from '@gryphgen/runtime';
import { context } from 'zeromq';
import { BareWorker } from '../bare-worker.ts';

const [home = '', endpoint = '', count = '1'] = process.argv.slice(2);
const membership = loadMembership(home);
const grid = gridOf(membership);
/** A link has three, and changes them before the older ones are closed. */
context.maxSockets = 8192;
/** Of those that have had a session since the last order. */
const back = new Set<string>();
let answer: 'ready' | 'back' = 'ready';

process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
process.on('message', () => {
  back.clear();
  answer = 'back';
});
for (let index = 0; index < Number(count); index++) {
  const name = `worker-${index}`;
  new BareWorker({
    ...{ name, grid, broker: { endpoint, curveKey: membership.brokerCurveKey } },
    identity: loadIdentity(home, name),
    onSession: () => {
      back.add(name);
      if (back.size === Number(count)) process.send?.({ kind: answer, details: {} });
    },
  });
}
