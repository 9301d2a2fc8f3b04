// Would another placement policy have ended this grid's tasks sooner? What `grid evolve --replay` does, from a program:
//   node docs/examples/evolve.mjs             the policy in force, and what a replay of the last tasks says; changes nothing
//   node docs/examples/evolve.mjs promote     puts the other in force if it proved itself; for admins
// in the checkout, with a grid up. The grid is found as `grid` finds it: GRID_HOME, GRID_BROKER, config.json.
import { connect } from '@gryphgen/client';
import { evolve, historyOf } from '@gryphgen/scheduler';

const mayPromote = process.argv[2] === 'promote';
const client = await connect();
try {
  const { inForce, changes } = await client.request('policy', {});
  const weights = Object.entries(inForce.weights).map(([term, weight]) => `${term} ${weight}`);
  console.log(`version ${inForce.version} is in force: ${weights.join(', ')}`);

  // What ended well, the newest first, and the machines that there are now: the replay needs no more, and no broker.
  const { tasks: past } = await client.request('pastTasks', { limit: 500 });
  const nodes = await client.request('nodes', {});
  const machines = nodes.filter(({ report }) => report !== null);
  const history = historyOf(past, machines);
  // After a rollback only what was submitted since judges.
  const since = changes.findLast(({ kind }) => kind === 'rolledBack')?.at ?? 0;
  const { promotes, why, tried, candidate, evidence } = evolve(history, inForce, { since });
  console.log(`${history.tasks.length} tasks replayed, under ${tried} other policies: ${why}`);
  if (evidence) console.log(`the best of them ends tasks ${(100 * evidence.gain).toFixed(1)} % sooner`);

  // The broker replays it once more by its own journal, and refuses what is no better, or was judged against another than the one in force.
  if (promotes && mayPromote) {
    const promoted = await client.request('promotePolicy', {
      from: inForce.version,
      parts: candidate,
      evidence,
    });
    console.log(`version ${promoted.inForce.version} is in force; "grid evolve --rollback" goes back`);
  }
} finally {
  await client.close();
}
